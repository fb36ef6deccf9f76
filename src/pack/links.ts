import type { TreePath } from "../core/entry.ts";
import type { PackEntry } from "./types.ts";

/**
 * Renames every hard link set after its last path, so that equal trees give equal entries whatever their
 * inode numbers, and dissolves sets of which one name is left. Only regular files are kept linked: the
 * kernel unpacks links of other types as entries of their own.
 */
export function nameLinkSets(entries: readonly PackEntry[]): PackEntry[] {
  const last = new Map<string, TreePath>();
  const counts = new Map<string, number>();
  for (const entry of entries) {
    if (entry.linkSet === "") continue;
    const key = keyOf(entry);
    last.set(key, entry.path);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  if (last.size === 0) return entries.slice();
  return entries.map((entry) => {
    if (entry.linkSet === "") return entry;
    const key = keyOf(entry);
    const linked = entry.type === "file" && (counts.get(key) ?? 0) > 1;
    return { ...entry, linkSet: linked ? (last.get(key) ?? "") : "" };
  });
}

function keyOf(entry: PackEntry): string {
  return `${entry.place}:${entry.linkSet}`;
}
