import { showPath, type TreePath } from "../../core/entry.ts";
import type { TreeHandle } from "../../host/ports.ts";
import type { ApplyContext } from "../types.ts";
import type { LaidDeletion, LaidEntry, LaidPlace } from "./laid.ts";
import { standsAsLaid } from "./observe.ts";
import { isKept, restoreOriginal } from "./originals.ts";

export interface Removing {
  readonly context: ApplyContext;
  readonly place: LaidPlace;
  readonly tree: TreeHandle;
  /** What a person should know about each thing that stays. */
  readonly notes: string[];
}

/** Takes one laid thing away when it is as we laid it, and puts back what stood there before. */
export function removeEntry(removing: Removing, entry: LaidEntry): void {
  const { context, place, tree, notes } = removing;
  const { files } = context.host;
  const { original } = entry;
  const at = tree.resolve(entry.path);
  const isThere = at !== undefined && tree.stat(at) !== undefined;
  if (!isThere || !entry.made) return;
  if (entry.type === "directory") {
    leaveDirectory(removing, entry, at);
  } else if (!standsAsLaid(tree, entry)) {
    notes.push(`${showPath(entry.path)} was changed since it was laid and is kept`);
  } else if (original === undefined) {
    tree.removeFile(at);
  } else if (isKept(files, place, original)) {
    restoreOriginal(files, tree, place, at, original);
  } else {
    notes.push(`${showPath(entry.path)} is kept: the copy of what stood there before is gone`);
  }
}

/** Puts back what a deletion moved out, where nothing stands now. */
export function undoDeletion(removing: Removing, deletion: LaidDeletion): void {
  const { context, place, tree, notes } = removing;
  const { original, path } = deletion;
  const at = tree.resolve(path);
  if (original === undefined || at === undefined || !isKept(context.host.files, place, original)) return;
  if (tree.stat(at) === undefined) {
    restoreOriginal(context.host.files, tree, place, at, original);
  } else {
    const kept = `${place.volumePath}/.rootloom/${original.file}`;
    notes.push(`${showPath(path)} is in use again; what was deleted stays in ${kept}`);
  }
}

function leaveDirectory(removing: Removing, entry: LaidEntry, at: TreePath): void {
  const { tree, notes } = removing;
  if (tree.stat(at)?.type !== "directory") return;
  if (entry.original !== undefined) {
    const { owner, group, mode } = entry.original;
    tree.setAttributes(at, { owner, group, mode });
  } else if (tree.list(at).length === 0) {
    tree.removeDirectory(at);
  } else {
    notes.push(`${showPath(entry.path)} is kept: it is not empty`);
  }
}
