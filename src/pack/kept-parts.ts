import type { TreePath } from "../core/entry.ts";
import type { EntryList } from "./entry-list.ts";
import { EntryListBuilder } from "./entry-list-builder.ts";
import type { Loss } from "./notes.ts";
import { parentOf, sortByPath } from "./paths.ts";

/** Directories that hold what they held when they were scanned before. */
export interface KeptParts {
  readonly parts: ReadonlySet<TreePath>;
  /** Of the whole tree, as it was then. */
  readonly entries: EntryList;
  readonly losses: readonly Loss[];
}

/** Where the contents of a directory that was not walked belong. */
export interface Joint {
  readonly at: number;
  readonly directory: TreePath;
}

/** What was scanned, with what was kept where it belongs. */
export function joinEntries(scanned: EntryList, joints: readonly Joint[], kept: KeptParts | undefined): EntryList {
  if (!kept || joints.length === 0) return scanned;
  const whole = new EntryListBuilder();
  let from = 0;
  for (const { at, directory } of joints) {
    whole.add(scanned, from, at);
    const { from: top, to } = kept.entries.within(directory);
    whole.add(kept.entries, top + 1, to);
    from = at;
  }
  whole.add(scanned, from, scanned.length);
  return whole.finish();
}

/** What a whole scan would have found that is lost. */
export function joinLosses(scanned: readonly Loss[], kept: KeptParts | undefined): readonly Loss[] {
  const old = kept?.losses.filter(({ path }) => isInOneOf(kept.parts, path)) ?? [];
  return sortByPath([...old, ...scanned]);
}

function isInOneOf(directories: ReadonlySet<TreePath>, path: TreePath): boolean {
  for (let above = parentOf(path); above !== ""; above = parentOf(above)) if (directories.has(above)) return true;
  return false;
}
