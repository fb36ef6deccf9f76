import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { differences, whatDiffersAtAll } from "../../src/pack/differences.ts";
import { EntryList } from "../../src/pack/entry-list.ts";
import { EntryListBuilder } from "../../src/pack/entry-list-builder.ts";
import { EntryTable, EntryTableBuilder } from "../../src/pack/entry-table.ts";
import { contentKey } from "../../src/pack/hash-cache.ts";
import { nameLinkSets } from "../../src/pack/links.ts";
import { comparePaths } from "../../src/pack/paths.ts";
import type { ContentSource, PackEntry } from "../../src/pack/types.ts";
import { editedList } from "./edited-list.ts";
import { packEntry, sha256 } from "./workspace.ts";

const names = fc.oneof(
  fc.constantFrom("usr", "lib", "a", "a-b", "file-1.txt"),
  fc
    .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 30 })
    .map((codes) => String.fromCharCode(...codes)),
);
const paths = fc.oneof(
  fc.array(names, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/")),
  fc.integer({ min: 1, max: 4096 }).map((length) => "p".repeat(length)),
  fc.constant(""),
);
const sources: fc.Arbitrary<ContentSource | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.record({ type: fc.constant("tree" as const), path: fc.constantFrom("/root", "/snapshot") }),
  fc.record({ type: fc.constant("file" as const), path: fc.string({ unit: "grapheme", minLength: 1 }) }),
  fc.record({
    type: fc.constant("archive" as const),
    path: fc.constantFrom("/one.tar", "/other.tar"),
    offset: fc.oneof(fc.nat(), fc.maxSafeNat()),
  }),
);
const whole = fc.oneof(fc.nat(200), fc.constantFrom(127, 128, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 2 ** 40));
const times = fc.oneof(fc.integer(), fc.constantFrom(0, -1, 0x1_0000_0000, -(2 ** 40)));
const entries: fc.Arbitrary<PackEntry> = fc.record({
  path: paths,
  type: fc.constantFrom("file", "directory", "symlink", "character", "block", "fifo", "socket"),
  mode: fc.nat(0o7777),
  owner: whole,
  group: whole,
  modified_s: times,
  size: whole,
  sha256: fc.constantFrom("", sha256("one"), sha256("other")),
  target: fc.oneof(fc.constant(""), paths),
  major: whole,
  minor: whole,
  linkSet: fc.oneof(fc.constant(""), names),
  attributes: fc.oneof(fc.constant(undefined), fc.constant(""), names),
  layer: fc.constantFrom("root", "hardware/ä b"),
  place: fc.nat(3),
  source: sources,
});
/** As a table takes them: sorted, and one for each path. */
const lists = fc.array(entries, { maxLength: 60 }).map((list) => {
  const byPath = new Map(list.map((entry) => [entry.path, entry]));
  return [...byPath.values()].sort((one, other) => comparePaths(one.path, other.path));
});
/** So many that they fill some pages. */
const long = Array.from({ length: 1_000 }, (_, index) =>
  packEntry(`usr/share/d${String(index >> 5).padStart(3, "0")}/f${String(index).padStart(4, "0")}`, { size: index }),
);

describe("a table of entries", () => {
  it("gives back what was put in, whatever the names, sizes, owners and times", () => {
    fc.assert(
      fc.property(lists, (list) => {
        expect([...EntryTable.of(list)]).toEqual(list);
      }),
      { numRuns: 500 },
    );
  });

  it("finds each path by itself, and the place of one that is not there", () => {
    fc.assert(
      fc.property(lists, paths, (list, path) => {
        const table = EntryTable.of(list);
        for (const [index, entry] of list.entries()) {
          expect(table.indexOf(entry.path)).toBe(index);
          expect(table.find(entry.path)).toEqual(entry);
        }
        const found = list.findIndex((entry) => entry.path === path);
        const before = list.filter((entry) => comparePaths(entry.path, path) < 0).length;
        expect(table.indexOf(path)).toBe(found < 0 ? -before - 1 : found);
        expect(table.find(path)).toEqual(list[found]);
      }),
      { numRuns: 300 },
    );
    const table = EntryTable.of(long);
    expect(long.map(({ path }) => table.indexOf(path))).toEqual(long.map((_, index) => index));
  });

  it("gives any run of its entries", () => {
    const table = EntryTable.of(long);
    fc.assert(
      fc.property(fc.nat(1_000), fc.nat(1_000), (from, to) => {
        expect([...table.range(from, to)]).toEqual(long.slice(from, to));
      }),
    );
  });

  it("takes some tens of bytes an entry, not hundreds", () => {
    const before = process.memoryUsage().arrayBuffers;
    const table = EntryTable.of(manyFiles(20_000));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(60 * 20_000);
    expect(table.length).toBe(20_000);
  });

  it("refuses an entry that comes twice, or behind its place", () => {
    const builder = new EntryTableBuilder();
    builder.add(packEntry("b"));
    expect(() => builder.add(packEntry("b"))).toThrow("cannot list /b: it comes twice, or behind /b");
    expect(() => builder.add(packEntry("a"))).toThrow("cannot list /a: it comes twice, or behind /b");
  });

  it("keeps the key of content that nobody has read, until it is told the hash", () => {
    const builder = new EntryTableBuilder();
    for (const entry of long) builder.add(entry, contentKey(entry.path));
    const table = builder.finish();
    const slots = [...table].map(({ slot }) => slot ?? -1);
    expect(slots.map((slot) => table.unreadKey(slot))).toEqual(long.map(({ path }) => contentKey(path)));
    for (const slot of slots.filter((_, index) => index % 2 === 0)) table.learn(slot, sha256("read"));
    expect([...table].map((entry) => [entry.sha256, entry.slot])).toEqual(
      slots.map((slot, index) => (index % 2 === 0 ? [sha256("read"), undefined] : ["", slot])),
    );
    expect([...table].map(({ size }) => size)).toEqual(long.map(({ size }) => size));
  });

  it("says that the same contents are elsewhere, where it is told so", () => {
    const list = [packEntry("a", { source: { type: "tree", path: "/snapshot" } }), packEntry("b")];
    const table = EntryTable.of(list).withSources(() => ({ type: "tree", path: "/tree" }));
    expect([...table].map(({ source }) => source)).toEqual([{ type: "tree", path: "/tree" }, undefined]);
  });
});

function* manyFiles(count: number): Generator<PackEntry> {
  for (let index = 0; index < count; index++) {
    const path = `usr/share/many/directory-${String(index >> 6).padStart(5, "0")}/file-${String(index).padStart(7, "0")}`;
    yield packEntry(path, { size: index, modified_s: 1_700_000_000, sha256: sha256("x") });
  }
}

describe("a list of runs of tables", () => {
  /** One path in three in a table of its own, and the list that they make together. */
  const apart = (list: readonly PackEntry[]) => {
    const [lower, upper] = [list.filter((_, index) => index % 3 !== 1), list.filter((_, index) => index % 3 === 1)];
    const [one, other] = [EntryList.of(lower), EntryList.of(upper)];
    const builder = new EntryListBuilder();
    for (const [index, { path }] of list.entries()) {
      const from = index % 3 === 1 ? other : one;
      builder.add(from, from.indexOf(path), from.indexOf(path) + 1);
    }
    return builder.finish();
  };

  it("is the plain list: in order, by path, by index and in any run", () => {
    fc.assert(
      fc.property(lists, paths, fc.nat(60), fc.nat(60), (list, path, from, to) => {
        const made = apart(list);
        expect(made.length).toBe(list.length);
        expect([...made]).toEqual(list);
        expect([...made.range(from, Math.min(to, list.length))]).toEqual(list.slice(from, to));
        for (const [index, entry] of list.entries()) expect(made.indexOf(entry.path)).toBe(index);
        const found = list.findIndex((entry) => entry.path === path);
        const before = list.filter((entry) => comparePaths(entry.path, path) < 0).length;
        expect(made.indexOf(path)).toBe(found < 0 ? -before - 1 : found);
        expect(made.find(path)).toEqual(list[found]);
      }),
      { numRuns: 300 },
    );
  });

  it("does not find what its tables have and it has not", () => {
    const whole = EntryList.of(["a", "b", "c"].map((path) => packEntry(path)));
    const builder = new EntryListBuilder();
    builder.add(whole, 0, 1);
    builder.add(whole, 2, 3);
    const list = builder.finish();
    expect(["a", "b", "c"].map((path) => list.indexOf(path))).toEqual([0, -2, 1]);
    expect(list.find("b")).toBeUndefined();
  });

  it("is the same as another where each entry is, whatever tables they are in", () => {
    const change = fc.constantFrom<(entry: PackEntry) => Partial<PackEntry>>(
      ({ mode }) => ({ mode: mode ^ 1 }),
      (entry) => ({ sha256: entry.sha256 === "" ? sha256("third") : "" }),
      ({ target }) => ({ target: `${target}x` }),
      ({ linkSet }) => ({ linkSet: `${linkSet}x` }),
      ({ modified_s }) => ({ modified_s: modified_s + 1 }),
      ({ owner }) => ({ owner: owner + 1 }),
    );
    fc.assert(
      fc.property(lists, fc.nat(60), change, (list, at, changed) => {
        const made = apart(list);
        for (const other of [made, apart(list), EntryList.of(list)]) expect(made.isSameAs(other)).toBe(true);
        expect(made.isSameAs(EntryList.of(list.slice(1)))).toBe(list.length === 0);
        const others = list.map((entry, index) => (index === at ? { ...entry, ...changed(entry) } : entry));
        expect(made.isSameAs(EntryList.of(others))).toBe(at >= list.length);
      }),
      { numRuns: 300 },
    );
  });

  it("does not look at what two lists take from one place of one table", () => {
    const table = EntryTable.of(long);
    const middle = EntryList.of([{ ...(long[500] as PackEntry), size: 7 }]);
    const withMiddle = () => {
      const builder = new EntryListBuilder();
      builder.add(EntryList.of(table), 0, 500);
      builder.add(middle, 0, 1);
      builder.add(EntryList.of(table), 501, long.length);
      return builder.finish();
    };
    const [one, other] = [withMiddle(), withMiddle()];
    const looked = vi.spyOn(table, "range");
    expect(one.isSameAs(other)).toBe(true);
    expect(looked).not.toHaveBeenCalled();
    expect(one.isSameAs(EntryList.of(long))).toBe(false);
  });

  it("differs from another where the plain lists differ, also where both take much from one table", () => {
    const fates = fc.array(fc.constantFrom("kept", "kept", "kept", "left out", "replaced", "linked"), {
      minLength: 60,
    });
    const made = (table: EntryTable, list: readonly PackEntry[], fate: readonly string[]) => {
      const left = list.map((_, at) => fate[at]).filter((each) => each !== "left out");
      const sets = new Map(left.flatMap((each, index) => (each === "linked" ? [[index, "a set"] as const] : [])));
      return editedList(table, (entry, at) => {
        if (fate[at] === "replaced") return { ...entry, mode: 0o7 };
        return fate[at] === "left out" ? undefined : entry;
      }).withLinkSets(sets);
    };
    fc.assert(
      fc.property(lists, fates, fates, (list, one, other) => {
        const table = EntryTable.of(list);
        const [before, after] = [made(table, list, one), made(table, list, other)];
        const found = [...differences(before.without(after), after.without(before), whatDiffersAtAll)];
        expect(found).toEqual([...differences(before, after, whatDiffersAtAll)]);
        expect(before.isSameAs(after)).toBe(found.length === 0);
        const looked = list.filter((_, at) => one[at] === "replaced" || one[at] === "linked");
        expect([...before.without(made(table, list, one))].length).toBe(looked.length);
      }),
      { numRuns: 500 },
    );
  });

  it("says where a range stands, if in one run of one table and as it is there", () => {
    const table = EntryTable.of(long);
    const builder = new EntryListBuilder();
    builder.add(EntryList.of(table), 10, 30);
    builder.add(EntryList.of(table), 40, 60);
    const list = builder.finish();
    expect(list.runOf(2, 20)).toEqual({ table, from: 12, to: 30 });
    expect(list.runOf(20, 25)).toEqual({ table, from: 40, to: 45 });
    expect(list.runOf(19, 21)).toBeUndefined();
    const named = list.withLinkSets(new Map([[5, "a set"]]));
    expect(
      [named.runOf(0, 5), named.runOf(0, 6), named.runOf(5, 7), named.runOf(6, 7)].map((run) => run?.from),
    ).toEqual([10, undefined, undefined, 16]);
  });

  it("tells the entries of hard link sets, near each other or not, of the parts of tables that it has", () => {
    const gap = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 60 }));
    const spread = fc.array(gap, { maxLength: 40 });
    fc.assert(
      fc.property(spread, fc.nat(200), fc.nat(60), (gaps, start, length) => {
        const linked = new Set<number>();
        let at = -1;
        for (const gap of gaps) {
          at += gap;
          linked.add(at);
        }
        const table = EntryTable.of(
          long.map((entry, index) => ({ ...entry, linkSet: linked.has(index) ? "1:7" : "" })),
        );
        const [whole, builder] = [EntryList.of(table), new EntryListBuilder()];
        builder.add(whole, 0, start);
        builder.add(whole, start + length, table.length);
        const list = builder.finish();
        const wanted = [...list].flatMap((entry, index) => (entry.linkSet === "" ? [] : [[index, entry]]));
        expect([...list.linked()]).toEqual(wanted);
        const [first] = wanted;
        if (first) expect([...list.withLinkSets(new Map([[Number(first[0]), ""]])).linked()]).toEqual(wanted.slice(1));
      }),
      { numRuns: 100 },
    );
  });

  it("names every hard link set after its last path, and dissolves one of which one name is left", () => {
    const list = [
      packEntry("a", { linkSet: "1:7" }),
      packEntry("b", { linkSet: "1:8" }),
      packEntry("c", { linkSet: "1:7", type: "fifo" }),
      packEntry("d", { linkSet: "1:7" }),
      packEntry("e", { linkSet: "1:7", place: 1 }),
    ];
    const sets = [...nameLinkSets(apart(list))].map(({ path, linkSet }) => `${path} ${linkSet}`);
    expect(sets).toEqual(["a d", "b ", "c ", "d d", "e "]);
  });
});
