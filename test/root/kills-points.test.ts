import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EFFECTS } from "../../src/core/effect.ts";
import { deathsFile } from "../kills/daemon.ts";
import { ELSEWHERE, pointsOf } from "../kills/points.ts";
import { makeKillSite, PHASES } from "../kills/site.ts";
import { deathsIn, survive } from "../kills/survive.ts";
import type { Site } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";

/** Before and after each effect; `npm run kills -- --points` goes through the ends of the steps, too. */
const EXPECTED = pointsOf(EFFECTS).filter((point) => !ELSEWHERE.has(point));

let site: Site;
let path: string | undefined;
beforeEach(() => {
  expect(whyNotMount()).toBeUndefined();
  path = process.env.PATH;
  site = makeKillSite();
});
afterEach(async () => {
  process.env.PATH = path;
  await removeSite();
});

async function removeSite(): Promise<void> {
  site.run("unmount", "--all");
  await site.remove();
}

describe("a daemon that dies by SIGKILL", () => {
  it("before and after every effect in the journal is survived: a converge, overlays, drift, a replaced source and removals", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rootloom-deaths-"));
    const file = join(folder, "deaths");
    writeFileSync(file, "");
    const missed = () => EXPECTED.filter((point) => !deathsIn(file).includes(point));
    // A recovery takes some points out of the way of the same life: on a fresh site they are come to again.
    for (let round = 1; round <= 4 && missed().length > 0; round++) {
      for (const phase of PHASES) expect(await survive(site, phase, file, "^(?!step )")).toEqual([]);
      await removeSite();
      site = makeKillSite();
    }
    expect(missed()).toEqual([]);
    rmSync(folder, { recursive: true });
  }, 1_200_000);

  it("between a mount and its record takes the mount back, and does not take its directory for drift of the root", async () => {
    const [converge] = PHASES;
    if (converge === undefined) throw new Error("there are no phases");
    const file = deathsFile(site);
    expect(await survive(site, converge, file, "mount.mount done")).toEqual([]);
    expect(deathsIn(file)).toEqual(["mount.mount done"]);
  });

  it("between the switch to a new image and the removal of the old one keeps no more generations than are wanted", async () => {
    const file = deathsFile(site);
    for (const phase of PHASES.slice(0, 2))
      expect(await survive(site, phase, file, "artifact.remove-old begun")).toEqual([]);
    expect(deathsIn(file)).toEqual(["artifact.remove-old begun"]);
  });
});
