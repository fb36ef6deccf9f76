import { describe, expect, it } from "vitest";
import { DELIBERATE_FAULTS } from "./deliberate.ts";
import { runSeed } from "./run.ts";
import { shrink } from "./shrink.ts";

const SEEDS = 200;
const BATCH = 50;

describe("whatever happens to a host", () => {
  const batches = Array.from({ length: SEEDS / BATCH }, (_, index) => index * BATCH + 1);

  it.each(batches)("nothing is lost and it converges, by the %i. seed and the 49 behind it", async (from) => {
    for (let seed = from; seed < from + BATCH; seed += 1) {
      const { violations } = await runSeed(seed);
      expect({ seed, violations }).toEqual({ seed, violations: [] });
    }
  });

  it("is the same history, call by call, whenever a seed is run again", async () => {
    for (const seed of [3, 11, 42]) {
      const [first, second] = [await runSeed(seed), await runSeed(seed)];
      expect(second.trace).toEqual(first.trace);
      expect(second.calls).toBe(first.calls);
    }
  });
});

describe("the simulation can fail:", () => {
  it("there are a dozen deliberate faults and more", () => {
    expect(DELIBERATE_FAULTS.length).toBeGreaterThanOrEqual(12);
  });

  it.each(DELIBERATE_FAULTS)("$name is caught within $seeds seeds: $what", { timeout: 120_000 }, async (fault) => {
    let caughtBy: number | undefined;
    for (let seed = 1; seed <= fault.seeds && caughtBy === undefined; seed += 1) {
      if ((await runSeed(seed, { fault })).violations.length > 0) caughtBy = seed;
    }
    expect(caughtBy).toBeDefined();
  });

  it("a failing history is shrunk to one that still fails, and from which nothing can be left out", async () => {
    const fault = DELIBERATE_FAULTS.find(({ name }) => name === "publish-before-packing");
    for (let seed = 1; seed < 20; seed += 1) {
      const failed = await runSeed(seed, { fault });
      if (failed.violations.length === 0) continue;
      const short = await shrink(failed, fault);
      expect(short.violations[0]?.rule).toBe(failed.violations[0]?.rule);
      expect(short.history.length).toBeLessThanOrEqual(failed.history.length);
      return;
    }
    expect.unreachable("no seed failed");
  });
});
