import { appendFileSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import type { LookOptions } from "../../src/host/ports.ts";
import { compileExcludes, type Excludes } from "../../src/pack/excludes.ts";
import { entering, lookAtViews } from "../../src/pack/look.ts";
import type { SeenShare } from "../../src/pack/remembered.ts";
import { joinShares } from "../../src/pack/shares.ts";
import { context, temporaryDirectory } from "./workspace.ts";

let root: string;
beforeEach(() => {
  root = temporaryDirectory();
  for (const upper of ["usr/share", "usr/lib", "var/lib"])
    for (const part of ["a", "b", "c"]) {
      mkdirSync(join(root, upper, part, "deep"), { recursive: true });
      writeFileSync(join(root, upper, part, "deep/file"), `${upper} ${part}`);
    }
  for (const flat of ["srv", "usr/sbin"]) mkdirSync(join(root, flat));
  writeFileSync(join(root, "usr/sbin/tool"), "a tool");
});

const later = { ...context, now_ms: () => Date.now() + 60_000 };
const VIEWS = [[], ["usr/share/*"], ["usr/lib/b"]].map(compileExcludes);
const look = (turn?: Int32Array): readonly SeenShare[] => lookAtViews(later, { path: root }, VIEWS, turn);
const alone = () => VIEWS.map((view) => joinShares(lookAtViews(later, { path: root }, [view])));
const joined = (...shares: (readonly SeenShare[])[]) =>
  VIEWS.map((_, view) => joinShares(shares.map((share) => share[view] as SeenShare)));

/** Takes every second part: the others are left to the next walker. */
function everySecond(first: number): Int32Array {
  let next = first - 2;
  const turn = new Int32Array(new SharedArrayBuffer(4));
  const add = Atomics.add;
  Atomics.add = ((array: Int32Array, index: number, value: number) => {
    if (array !== turn) return add(array, index, value);
    next += 2;
    return next;
  }) as typeof Atomics.add;
  restore = () => {
    Atomics.add = add;
  };
  return turn;
}
let restore = (): void => undefined;

describe("views that look together", () => {
  const options = (excludes: Excludes): LookOptions => ({
    enter: entering(excludes),
    leaveOut: excludes.covers,
    mayLeaveOut: excludes.mayCoverIn,
  });

  it("see each what it sees alone, wherever they part, in directories of any size", async () => {
    const wide = join(root, "usr/share/a/deep/wide");
    mkdirSync(wide);
    // More than one piece of records, by names of all lengths.
    for (let file = 0; file < 4_000; file++) writeFileSync(join(wide, `${file % 7}${"n".repeat(file % 9)}${file}`), "");
    // Later than all else, and left out by some.
    await delay(30);
    appendFileSync(join(wide, "3nnn3"), "!");
    const plain = ["usr/share/a/deep/wide/3*", "usr/share/b", "usr/s*/tool"];
    // Where a pattern fits anywhere, every name of every directory is asked for.
    for (const patterns of [plain, [...plain, "var/**/file"]]) {
      const views = [...subsets(patterns)].map((excludes) => options(compileExcludes(excludes)));
      const together = context.files.look(root, views);
      expect(together).toEqual(views.map((view) => context.files.look(root, [view])[0]));
      const digests = together.map(({ upper, parts }) => JSON.stringify([upper, ...parts].map(({ digest }) => digest)));
      expect(new Set(digests).size).toBe(views.length);
      const latest = together.map(({ parts }) => parts.find(({ path }) => path === "usr/share/a")?.changed_ms);
      expect(new Set(latest).size).toBe(2);
    }
  });
});

function* subsets(of: readonly string[]): Generator<readonly string[]> {
  for (let bits = 0; bits < 2 ** of.length; bits++) yield of.filter((_, index) => (bits >> index) & 1);
}

describe("a walk that several share", () => {
  it.each([
    [0, 1],
    [1, 0],
  ])("sees what one sees alone, whoever takes which part (%i first)", (one, other) => {
    const shares = [one, other].map((first) => {
      const share = look(everySecond(first));
      restore();
      return share;
    });
    expect(shares[0]?.[0]?.parts.length).toBeGreaterThan(3);
    expect(shares[1]?.[0]?.parts.length).toBeGreaterThan(3);
    expect(joined(...shares)).toEqual(alone());
    expect(new Set(alone().map((seen) => seen?.digest)).size).toBe(VIEWS.length);
  });

  it("leaves no part out and takes none twice with one turn for both", () => {
    const turn = new Int32Array(new SharedArrayBuffer(4));
    const shares = [look(turn), look(turn)];
    expect(shares[1]?.[0]?.parts).toEqual([]);
    expect(joined(...shares)).toEqual(alone());
  });

  it("is no sight where a part is missing, or where the tree changed near its top between the two", () => {
    const share = look(everySecond(0));
    restore();
    expect(joined(share)).toEqual([undefined, undefined, undefined]);
    mkdirSync(join(root, "usr/share/new"));
    const other = look(everySecond(1));
    restore();
    expect(joined(share, other)[0]).toBeUndefined();
  });

  it("has a part for a directory near the top without directories in it, where the filesystem counts those", () => {
    mkdirSync(join(root, "usr/bin"));
    writeFileSync(join(root, "usr/bin/tool"), "a tool");
    const isCounted = lstatSync(join(root, "usr/bin")).nlink === 2; // btrfs says 1 of all
    const [before] = alone();
    appendFileSync(join(root, "usr/bin/tool"), "!");
    const [after] = alone();
    const changed = after?.parts.filter(({ digest }, index) => digest !== before?.parts[index]?.digest);
    expect(changed?.map(({ path }) => path)).toEqual([isCounted ? "usr/bin" : ""]);
    mkdirSync(join(root, "usr/bin/more"));
    expect(alone()[0]?.parts.map(({ path }) => path)).toEqual(
      [...(before?.parts ?? []).map(({ path }) => path).filter((path) => path !== "usr/bin"), "usr/bin/more"].sort(),
    );
  });

  it("differs when a file deep in any part changes, and is unsettled when it did so just now", () => {
    const before = alone();
    appendFileSync(join(root, "var/lib/c/deep/file"), "!");
    const after = alone();
    for (const [view, seen] of after.entries()) expect(seen?.digest).not.toBe(before[view]?.digest);
    const now = joinShares(lookAtViews({ ...context, now_ms: Date.now }, { path: root }, VIEWS.slice(0, 1)));
    expect(now).toMatchObject({ digest: after[0]?.digest, settled: false });
    expect(now?.parts.filter(({ settled }) => !settled).map(({ path }) => path)).toContain("var/lib/c");
    const changed = after[0]?.parts.filter(({ digest }, index) => digest !== before[0]?.parts[index]?.digest);
    expect(changed?.map(({ path }) => path)).toEqual(["var/lib/c"]);
  });
});
