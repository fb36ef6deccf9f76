import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { EntryList } from "../../src/pack/entry-list.ts";
import { EntryTable } from "../../src/pack/entry-table.ts";
import { digestLayer } from "../../src/pack/layer-digest.ts";
import { nameLinkSets } from "../../src/pack/links.ts";
import { formatEntry } from "../../src/pack/manifest.ts";
import { comparePaths } from "../../src/pack/paths.ts";
import type { PackEntry } from "../../src/pack/types.ts";
import { editedList } from "./edited-list.ts";
import { packEntry, sha256 } from "./workspace.ts";

const name = fc.constantFrom("a", "b", "a.b", "b-", "c");
const trees = fc.array(
  fc.record({ names: fc.array(name, { minLength: 1, maxLength: 6 }), size: fc.nat(9), set: fc.nat(20) }),
  { minLength: 20, maxLength: 60 },
);
const fates = fc.array(fc.constantFrom("stays", "stays", "stays", "stays", "changes", "goes"), {
  minLength: 400,
  maxLength: 400,
});

/** Files at these paths with the directories above them, a few of which are names of one hard link set. */
function tree(files: readonly { readonly names: readonly string[]; readonly size: number; readonly set: number }[]) {
  const entries = new Map<string, PackEntry>();
  const add = (entry: PackEntry) => entries.has(entry.path) || entries.set(entry.path, entry);
  for (const { names } of files)
    for (const depth of names.keys()) add(packEntry(names.slice(0, depth).join("/"), { type: "directory" }));
  for (const { names, size, set } of files)
    add(packEntry(names.join("/"), { size, sha256: sha256("x"), linkSet: set < 2 ? `1:${set}` : "" }));
  return [...entries.values()].sort((one, other) => comparePaths(one.path, other.path));
}

/** What a later scan finds: where nothing changed, it is taken from the same place of the table. */
function edited(table: EntryTable, fate: readonly string[]): EntryList {
  return editedList(table, (entry, index) => {
    const becomes = entry.type === "directory" ? "stays" : fate[index];
    if (becomes === "changes") return { ...entry, mode: 0o7 };
    return becomes === "goes" ? undefined : entry;
  });
}

const digestOf = (entries: EntryList) => digestLayer({ name: "layer", entries });

describe("the digest of a layer", () => {
  it("is that of its entries, whatever of them was seen before and has become of the others", () => {
    fc.assert(
      fc.property(trees, fates, fates, (files, one, other) => {
        const table = EntryTable.of(tree(files));
        const lines = new Map<string, string>();
        for (const fate of [one, other, one]) {
          const list = edited(table, fate);
          const found = digestOf(list);
          expect(found).toEqual(digestOf(EntryList.of([...list])));
          const named = [...nameLinkSets(list)];
          expect(found.size_bytes).toBe(named.reduce((sum, { size }) => sum + size, 0));
          lines.set(found.digest, named.map(formatEntry).join("\n"));
        }
        const differing = new Set(
          [one, other].map((fate) => [...nameLinkSets(edited(table, fate))].map(formatEntry).join("\n")),
        );
        expect(lines.size).toBe(differing.size);
      }),
    );
  });

  it("does not read again what lies below a directory three levels down", () => {
    const paths = Array.from({ length: 500 }, (_, index) => `usr/share/doc/f${String(index).padStart(3, "0")}`);
    const above = ["", "usr", "usr/share", "usr/share/doc"].map((path) => packEntry(path, { type: "directory" }));
    const files = [...paths, "usr/zz"].map((path) => packEntry(path, { sha256: sha256("x") }));
    const list = EntryList.of([...above, ...files]);
    const first = digestOf(list);
    const read = vi.spyOn(EntryTable.prototype, "range");
    expect(digestOf(list)).toEqual(first);
    const starts = read.mock.calls.map(([from]) => from);
    read.mockRestore();
    expect(starts).toContain(above.length + paths.length);
  });
});
