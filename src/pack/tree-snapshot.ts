import { RootloomError } from "../core/error.ts";
import type { LayerSource } from "../host/jobs.ts";
import type { JobContext, ScannedEntry } from "../host/ports.ts";
import type { EntryList } from "./entry-list.ts";
import type { ContentSource } from "./types.ts";

type TreeSource = Extract<LayerSource, { readonly type: "tree" }>;

/** Of the error for a snapshot in which a part of the tree is missing: the tree itself has all of it. */
export const INCOMPLETE = "SnapshotIncomplete";

/** Number of the empty directory that a snapshot of btrfs has where another subvolume begins (BTRFS_EMPTY_SUBVOL_DIR_OBJECTID). */
const SUBVOLUME_LEFT_OUT = 2;

/** The layer as it is without a snapshot: by this it is known again. */
export function withoutSnapshot({ snapshot: _, ...layer }: TreeSource): TreeSource {
  return layer;
}

/** Where the files of a tree are read. */
export function readPath({ path, snapshot }: TreeSource): string {
  return snapshot?.path ?? path;
}

/** The time before anything of the tree was read. */
export function readSince_ms({ snapshot }: TreeSource, { now_ms }: Pick<JobContext, "now_ms">): number {
  return snapshot?.moment_ms ?? now_ms();
}

/**
 * Gives an entry of a snapshot as the tree itself shows it: where something is mounted in the tree is a mount point, or the
 * snapshot would make another image than the tree.
 */
export function asInTree({ snapshot }: TreeSource): (entry: ScannedEntry) => ScannedEntry {
  if (snapshot === undefined) return (entry) => entry;
  const mounted = new Set(snapshot.mounted);
  return (entry) => {
    if (mounted.has(entry.path)) return { ...entry, target: "", mountPoint: true, extendedAttributes: [] };
    if (entry.type !== "directory" || entry.inode !== SUBVOLUME_LEFT_OUT) return entry;
    throw new RootloomError(`cannot read ${snapshot.path} for its tree: a subvolume in that is no part of it`, {
      retry: "transient",
      condition: INCOMPLETE,
    });
  };
}

/** Entries that outlive the snapshot that they were read from: their contents are read from the tree. */
export function inTree(entries: EntryList, layer: TreeSource): EntryList {
  if (layer.snapshot === undefined) return entries;
  const source: ContentSource = { type: "tree", path: layer.path };
  return entries.withSources((each) => (each.type === "tree" ? source : each));
}
