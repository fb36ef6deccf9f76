import type { TreePath } from "../core/entry.ts";
import type { EntryList } from "./entry-list.ts";
import type { PackEntry } from "./types.ts";

interface LinkSet {
  last: TreePath;
  readonly indexes: number[];
}

/**
 * Renames every hard link set after its last path, so that equal trees give equal entries whatever their
 * inode numbers, and dissolves sets of which one name is left. Only regular files are kept linked: the
 * kernel unpacks links of other types as entries of their own.
 */
export function nameLinkSets(entries: EntryList): EntryList {
  const sets = new Map<string, LinkSet>();
  const others: number[] = [];
  for (const [index, entry] of entries.linked()) {
    if (entry.type !== "file") others.push(index);
    const set = sets.get(keyOf(entry)) ?? { last: "", indexes: [] };
    sets.set(keyOf(entry), set);
    set.last = entry.path;
    set.indexes.push(index);
  }
  const names = new Map<number, string>();
  for (const { last, indexes } of sets.values())
    for (const each of indexes) names.set(each, indexes.length > 1 ? last : "");
  for (const each of others) names.set(each, "");
  return entries.withLinkSets(names);
}

function keyOf(entry: PackEntry): string {
  return `${entry.place}:${entry.linkSet}`;
}
