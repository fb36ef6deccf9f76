import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { OF_LOOP_VOLUMES, pointsOf } from "../../kills/points.ts";
import { makeKillSite, type Phase } from "../../kills/site.ts";
import { deathsIn, survive } from "../../kills/survive.ts";
import type { Site } from "../../kit.ts";
import { unmountBelow } from "../../storage/bench.ts";
import { whyNotMount } from "../private-namespace.ts";
import { document } from "../small-site.ts";

let site: Site;
afterEach(async () => {
  unmountBelow(site.directory);
  await site.remove();
});

const spec = { backend: "loop", size: "64M", label: "one", onDelete: "destroy" };
const changed = { ...spec, size: "160M", label: "two", mountOptions: ["nodev"], mode: "0700" };
const declared = (volume: object) => ({ "desired/volumes/disk.yaml": document("Volume", "disk", volume) });
const pathOf = ({ state }: Site) => join(state, "volumes/disk");
const precious = (of: Site) => join(pathOf(of), "precious");

const phases: readonly Phase[] = [
  {
    name: "a volume is made and mounted",
    prepare: (of) => of.commit(declared(spec)),
    whenWaiting: [],
    holds: (of) => [["image", statSync(`${pathOf(of)}.img`).size, 64 * 2 ** 20]],
  },
  {
    name: "it is grown, labelled, remounted, and gets another mode",
    prepare: (of) => {
      writeFileSync(precious(of), "kept");
      of.commit(declared(changed));
    },
    whenWaiting: [],
    holds: (of) => [
      ["image", statSync(`${pathOf(of)}.img`).size, 160 * 2 ** 20],
      ["content", readFileSync(precious(of), "utf8"), "kept"],
      ["mode", statSync(pathOf(of)).mode & 0o7777, 0o700],
    ],
  },
  {
    name: "it is removed after approval",
    prepare: (of) => of.commit({ "desired/volumes/disk.yaml": undefined }),
    whenWaiting: ["approve", "volume/disk", "--why", "a test"],
    holds: (of) => [["what is left", [pathOf(of), `${pathOf(of)}.img`].filter((path) => existsSync(path)), []]],
  },
];

it("a daemon that dies by SIGKILL before and after every effect on a loop volume is survived", async () => {
  expect(whyNotMount()).toBeUndefined();
  site = makeKillSite();
  const folder = mkdtempSync(join(tmpdir(), "rootloom-deaths-"));
  const file = join(folder, "deaths");
  writeFileSync(file, "");
  for (const phase of phases) expect(await survive(site, phase, file, "^(step )?volume\\.")).toEqual([]);
  const expected = pointsOf([...OF_LOOP_VOLUMES, "volume.create", "volume.update", "volume.delete"]);
  expect(deathsIn(file)).toEqual(expect.arrayContaining([...expected]));
  rmSync(folder, { recursive: true });
}, 600_000);
