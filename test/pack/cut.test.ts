import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutSegments } from "../../src/pack/cut.ts";
import { EntryTable } from "../../src/pack/entry-table.ts";
import { packEntry } from "./workspace.ts";

const MIB = 1024 ** 2;

/** Files in their order, by size; each name is its own. */
const sizes = fc.array(fc.oneof(fc.nat(MIB), fc.nat(12 * MIB)), { minLength: 1, maxLength: 60 });

/** The paths of each segment. */
function cut(files: readonly (readonly [path: string, size_bytes: number])[]): string[][] {
  const entries = files.map(([path, size]) => packEntry(path, { size, sha256: "0".repeat(64) }));
  return cutSegments(EntryTable.of(entries)).map((segment) => [...segment.entries()].map(({ path }) => path));
}

function named(list: readonly number[]): (readonly [string, number])[] {
  return list.map((size, index) => [`file-${String(index).padStart(3, "0")}`, size] as const);
}

describe("the cuts between segments", () => {
  it("leave every entry in one segment, in its order", () => {
    fc.assert(
      fc.property(sizes, (list) => {
        const files = named(list);
        expect(cut(files).flat()).toEqual(files.map(([path]) => path));
      }),
    );
  });

  it("leave a large file alone, so that a change of it compresses nothing else", () => {
    fc.assert(
      fc.property(sizes, (list) => {
        const files = named(list);
        const segments = cut(files);
        for (const [path, size] of files) if (size >= 2 * MIB) expect(segments).toContainEqual([path]);
      }),
    );
    expect(cut(named([1000, 1000, 1000]))).toHaveLength(1);
  });

  it("stay where they were from the first large file behind a change on", () => {
    fc.assert(
      fc.property(sizes, fc.nat(59), fc.nat(12 * MIB), (list, place, size) => {
        const index = place % list.length;
        const large = list.findIndex((each, at) => at > index && each >= 2 * MIB);
        const behind = (files: readonly number[]) =>
          cut(named(files)).filter(([first = ""]) => large >= 0 && first >= (named(files)[large]?.[0] ?? ""));
        expect(behind(list.with(index, size))).toEqual(behind(list));
      }),
    );
  });
});
