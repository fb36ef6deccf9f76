import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { cutSegments } from "../../src/pack/cut.ts";
import { EntryList } from "../../src/pack/entry-list.ts";
import { EntryListBuilder } from "../../src/pack/entry-list-builder.ts";
import { EntryTable, EntryTableBuilder } from "../../src/pack/entry-table.ts";
import { nameLinkSets } from "../../src/pack/links.ts";
import { RunMemory } from "../../src/pack/run-memory.ts";
import type { PackEntry } from "../../src/pack/types.ts";
import { editedList } from "./edited-list.ts";
import { packEntry } from "./workspace.ts";

const MIB = 1024 ** 2;
const sha256 = "0".repeat(64);

/** Files in their order, by size; each name is its own. */
const sizes = fc.array(fc.oneof(fc.nat(MIB), fc.nat(12 * MIB)), { minLength: 1, maxLength: 60 });

/** The paths of each segment. */
function cut(files: readonly (readonly [path: string, size_bytes: number])[]): string[][] {
  const entries = files.map(([path, size]) => packEntry(path, { size, sha256 }));
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

/** What becomes of each entry in the list that is cut next. */
const fates = fc.array(
  fc.constantFrom("stays", "stays", "stays", "stays", "stays", "changes", "goes", "is an overlay's"),
  {
    minLength: 80,
    maxLength: 80,
  },
);
const trees = fc.array(fc.record({ size: fc.nat(MIB), directory: fc.nat(8), set: fc.nat(30) }), {
  minLength: 40,
  maxLength: 80,
});

/** Some directories with files in them, a few of which are names of one hard link set. */
function tree(
  files: readonly { readonly size: number; readonly directory: number; readonly set: number }[],
): PackEntry[] {
  const inDirectories = files.map((file, index) => ({
    ...file,
    path: `d${file.directory}/f${String(index).padStart(2, "0")}`,
  }));
  const directories = [...new Set(files.map(({ directory }) => `d${directory}`))];
  return [
    packEntry("", { type: "directory" }),
    ...directories.map((path) => packEntry(path, { type: "directory" })),
    ...inDirectories.map(({ path, size, set }) =>
      packEntry(path, set < 3 ? { size: 7, sha256, linkSet: `1:${set}` } : { size, sha256 }),
    ),
  ].sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** The list that a pass packs when these things have become of a table's entries. */
function edited(table: EntryTable, fate: readonly string[]): EntryList {
  const list = editedList(table, (entry, index) => {
    const becomes = entry.type === "directory" ? "stays" : fate[index];
    const change = { changes: { size: entry.size + 1 }, "is an overlay's": { place: 1 } }[becomes ?? ""];
    if (change) return { ...entry, ...change };
    return becomes === "goes" ? undefined : entry;
  });
  return nameLinkSets(list);
}

function described(entries: EntryList | EntryTable) {
  return cutSegments(entries).map((segment) => ({
    paths: [...segment.entries()].map(({ path }) => path),
    key: segment.key,
    raw_bytes: segment.raw_bytes,
    memory_bytes: segment.memory_bytes,
    count: segment.count,
    isRead: segment.isRead,
  }));
}

describe("a list of which parts were cut before", () => {
  it("is cut as one that nobody has seen, whatever has become of its entries", () => {
    fc.assert(
      fc.property(trees, fates, fates, (files, one, other) => {
        const table = EntryTable.of(tree(files));
        for (const fate of [one, other, one]) {
          const list = edited(table, fate);
          const unseen = EntryTable.of([...list]);
          expect(described(list)).toEqual(described(unseen));
          expect(described(unseen)).toEqual(described(list));
        }
      }),
    );
  });

  it("is not looked at where it was cut before", () => {
    const large = Array.from({ length: 60 }, (_, index) => ({ size: MIB, directory: index >> 3, set: 30 }));
    const files = [...large, { size: 1, directory: 8, set: 30 }];
    const table = EntryTable.of(tree(files));
    const list = EntryList.of(table);
    cutSegments(list);
    const read = vi.spyOn(EntryTable.prototype, "range");
    cutSegments(list);
    const starts = read.mock.calls.map(([start]) => start);
    read.mockRestore();
    expect(starts).not.toEqual([]);
    expect(Math.min(...starts)).toBeGreaterThan(50);
  });

  it("waits for contents that nobody has read, whether it was cut before or not", () => {
    const builder = new EntryTableBuilder();
    for (const [path, size] of named([MIB, MIB, MIB, MIB, 5 * MIB]))
      builder.add(packEntry(path, { size }), "k".repeat(32));
    const table = builder.finish();
    const list = EntryList.of(table);
    for (const _ of [1, 2]) expect(cutSegments(list).map(({ isRead }) => isRead)).not.toContain(true);
    for (const { slot } of table) table.learn(slot ?? 0, sha256);
    const unseen = described(EntryTable.of([...table]));
    for (const _ of [1, 2]) expect(described(list)).toEqual(unseen);
  });

  it("is refused when an entry comes behind such a part and before its directory", () => {
    const files = Array.from({ length: 60 }, (_, index) => ({ size: MIB, directory: index >> 3, set: 30 }));
    const table = EntryTable.of(tree(files));
    const segments = described(EntryList.of(table)).map(({ paths }) => paths);
    const without = (left: number) => {
      const builder = new EntryListBuilder();
      for (const path of segments.flatMap((paths, number) => (number === left ? [] : paths)))
        builder.add(EntryList.of(table), table.indexOf(path), table.indexOf(path) + 1);
      return builder;
    };
    const behind = without(-1);
    behind.add(EntryList.of([packEntry("e/orphan", { sha256 })]), 0, 1);
    expect(() => cutSegments(behind.finish())).toThrow("/e/orphan would come before its directory");
    // The second of two that were cut before, without the one between them, in which its directory is.
    const number = segments.findIndex((paths, at) => at > 1 && segments[at - 1]?.includes(`${paths[0]}`.slice(0, 2)));
    const orphan = segments[number]?.[0] ?? "";
    expect(orphan).toContain("/");
    expect(() => cutSegments(without(number - 1).finish())).toThrow(`/${orphan} would come before its directory`);
  });

  it("may end with a directory that something is put into", () => {
    const paths = Array.from({ length: 40_000 }, (_, index) => `d${String(index).padStart(6, "0")}`);
    const table = EntryTable.of(["", ...paths].map((path) => packEntry(path, { type: "directory" })));
    const last = described(EntryList.of(table))[0]?.paths.at(-1) ?? "";
    const builder = new EntryListBuilder();
    const behind = table.indexOf(last) + 1;
    builder.add(EntryList.of(table), 0, behind);
    builder.add(EntryList.of([packEntry(`${last}/new`, { sha256 })]), 0, 1);
    builder.add(EntryList.of(table), behind, table.length);
    const list = builder.finish();
    expect(described(list)).toEqual(described(EntryTable.of([...list])));
  });
});

describe("what is remembered of a run of a table", () => {
  it("holds where a list takes the whole of it from there as it is, and nowhere else", () => {
    const table = EntryTable.of(named([1, 1, 1, 1, 1, 1]).map(([path, size]) => packEntry(path, { size, sha256 })));
    const memory = new RunMemory<string>();
    memory.keep(table, 1, 4, "known");
    const whole = EntryList.of(table);
    expect(memory.recall(whole, 1)).toEqual({ to: 4, value: "known" });
    expect(memory.recall(whole, 2)).toBeUndefined();
    const part = (from: number, to: number) => {
      const builder = new EntryListBuilder();
      builder.add(whole, from, to);
      return builder.finish();
    };
    expect(memory.recall(part(1, 4), 0)).toEqual({ to: 3, value: "known" });
    expect(memory.recall(part(1, 3), 0)).toBeUndefined();
    expect(memory.recall(whole.withLinkSets(new Map([[3, ""]])), 1)).toBeUndefined();
    expect(memory.recall(EntryTable.of([...table]), 1)).toBeUndefined();
    memory.keep(whole.withLinkSets(new Map([[5, "a set"]])), 4, 6, "of a list that calls one otherwise");
    expect(memory.recall(whole, 4)).toBeUndefined();
  });
});
