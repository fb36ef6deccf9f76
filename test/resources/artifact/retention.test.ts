import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFiles } from "../../../src/host/real/files.ts";
import { type Retention, removeOutdated } from "../../../src/resources/artifact/generations.ts";
import { forgiveFailures, readVerdict } from "../../../src/resources/artifact/verdict.ts";

const files = createFiles({ mountNamespace: "/proc/self/ns/mnt" });
const instance = "0123456789abcdef0123456789abcdef";
const NOW_MS = Date.parse("2026-11-21T00:00:00.000Z");
const DAY_MS = 86_400_000;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rootloom-retention-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

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

function kept(retention: Partial<Retention>, current: number): readonly number[] {
  const whole = { count: 3, pinned: [], failed: 1, ...retention };
  removeOutdated(files, directory, whole, { instance, current: name(current), now_ms: NOW_MS });
  return readdirSync(directory).map(Number).sort();
}

describe("of the generations of an image", () => {
  it("as many stay as are declared, the current one among them, also when it is the oldest", () => {
    for (const number of [1, 2, 3, 4, 5]) make(number, 10 - number);
    expect(kept({ count: 3 }, 1)).toEqual([1, 4, 5]);
  });

  it("none stays that is older than it may be, but the current one", () => {
    for (const number of [1, 2, 3]) make(number, 40 - 10 * number);
    expect(kept({ age_s: (15 * DAY_MS) / 1000 }, 1)).toEqual([1, 3]);
  });

  it("those that are named stay whatever their number and age, and take nobody's place", () => {
    for (const number of [1, 2, 3, 4]) make(number, 40 - 10 * number);
    expect(kept({ count: 2, age_s: (15 * DAY_MS) / 1000, pinned: [name(1)] }, 4)).toEqual([1, 3, 4]);
  });

  it("those that failed their check take nobody's place, and only the newest of them stays", () => {
    make(1, 9, true);
    make(2, 8, false);
    make(3, 7, false);
    make(4, 6, true);
    expect(kept({ count: 2 }, 4)).toEqual([1, 3, 4]);
    expect(kept({ count: 1, failed: 0 }, 4)).toEqual([4]);
  });

  it("what failed is tried once more when a person asks, what passed keeps its verdict", () => {
    make(1, 9, true);
    make(2, 8, false);
    expect(forgiveFailures(files, directory)).toEqual([name(2)]);
    expect(existsSync(join(directory, name(2), "check.json"))).toBe(false);
    expect(readVerdict(files, join(directory, name(1)))?.healthy).toBe(true);
    expect(forgiveFailures(files, directory)).toEqual([]);
  });

  it("half a verdict is none", () => {
    make(1, 9, true);
    const path = join(directory, name(1), "check.json");
    writeFileSync(path, readFileSync(path).subarray(0, 20));
    expect(readVerdict(files, join(directory, name(1)))).toBeUndefined();
  });
});
