import { posix } from "node:path";
import type { ApplyContext } from "../../types.ts";
import { removeCopy } from "../../volume/backends/copies.ts";
import { mountedFrom, requireNotMounted } from "../../volume/backends/in-use.ts";
import { backendOf } from "../../volume/backends/index.ts";
import { treePaths } from "../paths.ts";
import { type RootSnapshot, type SnapshotSubject, volumeOf } from "./list.ts";

/**
 * Removes a snapshot of a root that we took, with its note.
 * @throws RootloomError where it is mounted, or a clone needs it.
 */
export async function removeSnapshot(
  tree: SnapshotSubject,
  { name, copy }: Pick<RootSnapshot, "name" | "copy">,
  context: ApplyContext,
): Promise<void> {
  const { host } = context;
  const volume = volumeOf(tree, context);
  if (copy === undefined) await backendOf(volume).removeSnapshot(volume, name, context);
  else {
    requireNotMounted(volume, name, mountedFrom(host.files, copy));
    await removeCopy(copy, context);
  }
  const note = posix.join(treePaths(tree.volumePath, tree.name).snapshots, `${name}.json`);
  if (host.files.stat(note) !== undefined) host.files.removeFile(note);
}
