import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fixtures } from "../kit.ts";
import { killedAtAll, measure, moments, siteOf } from "./moments.ts";
import { ELSEWHERE, POINTS } from "./points.ts";
import { makeKillSite, PHASES } from "./site.ts";
import { deathsIn, survive } from "./survive.ts";

/**
 * Kills daemons, more often than the tests do, as root in a private mount namespace:
 * `--count 200 --seed 1`, at random moments of a converge; `--minbase`, of a larger root; `--points`, at each point
 * of the journal, the ends of steps included. Exit code 1 when anything did not hold.
 */
const { values } = parseArgs({
  options: {
    count: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    minbase: { type: "boolean", default: false },
    points: { type: "boolean", default: false },
  },
});

const found = values.points ? await atPoints() : await atMoments(Number(values.count), Number(values.seed));
process.exitCode = found === 0 ? 0 : 1;

async function atMoments(count: number, seed: number): Promise<number> {
  const reference = await measure(siteOf(values.minbase ? join(fixtures, "minbase-bookworm.tar") : undefined));
  const wrong = await killedAtAll(moments(count, seed, reference.whole_ms), reference, (kill, found) =>
    console.log(`${kill}: ${found.length === 0 ? "survived" : found.join("; ")}`),
  );
  const faults = wrong.length;
  console.log(`${count} kills within ${Math.round(reference.whole_ms)} ms, seed ${seed}: ${faults} faults`);
  return faults;
}

async function atPoints(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "rootloom-deaths-"));
  const file = join(folder, "deaths");
  writeFileSync(file, "");
  let faults = 0;
  // A recovery takes some points out of the way of the same life: rounds go on until one comes to nothing new.
  for (let before = -1; deathsIn(file).length > before; ) {
    before = deathsIn(file).length;
    const site = makeKillSite();
    for (const phase of PHASES) {
      const wrong = await survive(site, phase, file);
      faults += wrong.length;
      for (const what of wrong) console.log(what);
    }
    site.run("unmount", "--all");
    await site.remove();
  }
  const died = deathsIn(file);
  rmSync(folder, { recursive: true });
  const here = POINTS.filter((point) => !ELSEWHERE.has(point));
  const missed = here.filter((point) => !died.includes(point));
  const others = POINTS.length - here.length;
  console.log(
    `died at ${here.length - missed.length} of ${here.length} points, ${faults} faults; ${others} points are others' tests`,
  );
  for (const point of missed) console.log(`never came to: ${point}`);
  return faults + missed.length;
}
