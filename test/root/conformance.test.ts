import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { project } from "../kit.ts";
import { behaviours, matrixText, show } from "../storage/conformance.ts";
import type { Storage } from "../storage/stage.ts";
import { hostStages, stages } from "../storage/stages.ts";
import { whyNotMount } from "./private-namespace.ts";

it("runs where its mounts reach nobody", () => {
  expect(whyNotMount()).toBeUndefined();
});

it("has its matrix in the kind's README, as the suite prints it", () => {
  const readme = readFileSync(join(project, "src/resources/volume/README.md"), "utf8");
  expect(readme).toContain(matrixText(stages));
});

it("knows every behaviour that a backend cannot have", () => {
  const unknown = stages.flatMap(({ cannot }) => Object.keys(cannot).filter((name) => !(name in behaviours)));
  expect(unknown).toEqual([]);
});

describe.each(hostStages)("a volume of $name", (stage) => {
  const missing = stage.missing();
  if (missing !== undefined) console.log(`${stage.name}: not run here: ${missing}`);
  let storage: Storage;

  describe.skipIf(missing !== undefined)("on real storage", () => {
    beforeAll(async () => {
      storage = await stage.open();
    });
    afterAll(() => storage.close());

    it.each(Object.keys(behaviours).filter((name) => !(name in stage.cannot)))("%s", (name) => show(storage, name));
  });
});
