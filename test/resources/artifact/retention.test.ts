import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { removeOutdated } from "../../../src/resources/artifact/generations.ts";
import { forgiveFailures, readVerdict } from "../../../src/resources/artifact/verdict.ts";
import type { Retention } from "../../../src/resources/retention.ts";
import { Machine } from "../machine.ts";

const instance = "0123456789abcdef0123456789abcdef";
const NOW_MS = Date.parse("2026-11-21T00:00:00.000Z");
const DAY_MS = 86_400_000;

let machine: Machine;
let directory: string;
beforeEach(() => {
  machine = new Machine();
  directory = join(machine.top, "image");
  mkdirSync(directory);
});
afterEach(() => machine.close());

const name = (number: number): string => String(number).padStart(16, "0");

/** Generation `number`, so many days old; `healthy` where it was checked. */
function make(number: number, age_days: number, healthy?: boolean): void {
  const texts = { artifact: "artifact/a", sha256: "", manifestSha256: "", revision: "", runId: "", file: "f" };
  const numbers = { size_bytes: 0, uncompressed_bytes: 0, entries: 0, segments: 0, segmentsReused: 0 };
  const createdAt = new Date(NOW_MS - age_days * DAY_MS).toISOString();
  const lists = { inputs: {}, layers: [], notes: [] };
  const report = { version: 1, instance, generation: name(number), createdAt, ...texts, ...numbers, ...lists };
  mkdirSync(join(directory, name(number)));
  writeFileSync(join(directory, name(number), "report.json"), JSON.stringify(report));
  if (healthy === undefined) return;
  const verdict = { version: 1, key: "k", healthy, message: "m", accelerator: "tcg", checkedAt: createdAt };
  writeFileSync(join(directory, name(number), "check.json"), JSON.stringify(verdict));
}

async function kept(retention: Partial<Retention>, current: number): Promise<readonly number[]> {
  const whole = { count: 3, pinned: [], failed: 1, ...retention };
  await removeOutdated(machine.host, directory, whole, { instance, current: name(current), now_ms: NOW_MS });
  return readdirSync(directory).map(Number).sort();
}

describe("of the generations of an image", () => {
  it("as many stay as are declared, the current one among them, also when it is the oldest", async () => {
    for (const number of [1, 2, 3, 4, 5]) make(number, 10 - number);
    expect(await kept({ count: 3 }, 1)).toEqual([1, 4, 5]);
  });

  it("none stays that is older than it may be, but the current one", async () => {
    for (const number of [1, 2, 3]) make(number, 40 - 10 * number);
    expect(await kept({ age_s: (15 * DAY_MS) / 1000 }, 1)).toEqual([1, 3]);
  });

  it("those that are named stay whatever their number and age, and take nobody's place", async () => {
    for (const number of [1, 2, 3, 4]) make(number, 40 - 10 * number);
    expect(await kept({ count: 2, age_s: (15 * DAY_MS) / 1000, pinned: [name(1)] }, 4)).toEqual([1, 3, 4]);
  });

  it("those that failed their check take nobody's place, and only the newest of them stays", async () => {
    make(1, 9, true);
    make(2, 8, false);
    make(3, 7, false);
    make(4, 6, true);
    expect(await kept({ count: 2 }, 4)).toEqual([1, 3, 4]);
    make(2, 8, false);
    // As when 2 failed just now: it stays, and no other that failed.
    expect(await kept({ count: 2, failed: 0, pinned: [name(2)] }, 4)).toEqual([1, 2, 4]);
    expect(await kept({ count: 1, failed: 0 }, 4)).toEqual([4]);
  });

  it("what failed is tried once more when a person asks, what passed keeps its verdict", () => {
    make(1, 9, true);
    make(2, 8, false);
    expect(forgiveFailures(machine.host.files, directory)).toEqual([name(2)]);
    expect(existsSync(join(directory, name(2), "check.json"))).toBe(false);
    expect(readVerdict(machine.host.files, join(directory, name(1)))?.healthy).toBe(true);
    expect(forgiveFailures(machine.host.files, directory)).toEqual([]);
  });

  it("half a verdict is none", () => {
    make(1, 9, true);
    const path = join(directory, name(1), "check.json");
    writeFileSync(path, readFileSync(path).subarray(0, 20));
    expect(readVerdict(machine.host.files, join(directory, name(1)))).toBeUndefined();
  });
});
