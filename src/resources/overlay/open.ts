import type { TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import { isTemporary } from "../../core/temporary.ts";
import type { Host, TreeHandle } from "../../host/ports.ts";
import { refusalOf } from "../tree/observe.ts";
import type { Places } from "../types.ts";
import { isBelow } from "./inspect.ts";
import type { LaidPlace } from "./laid.ts";
import type { OwnedEntry } from "./owners.ts";

/**
 * Opens the tree that an overlay is laid into, once the host's limits have been asked: before it is looked at, since
 * a report may show what stands in it, and again before it is changed.
 * @throws RootloomError when the tree is out of bounds, or leads out of its volume.
 */
export function openAllowed(
  { treePath, volumePath }: Pick<LaidPlace, "treePath" | "volumePath">,
  context: Places & { readonly host: Pick<Host, "files"> },
): TreeHandle {
  const { files } = context.host;
  const { refusal, hint } = refusalOf({ path: treePath, volumePath }, context, files);
  if (refusal !== "") throw new RootloomError(refusal, { hint });
  return files.openTree(treePath);
}

/** Removes the files that a kill left half written beside their places. */
export function sweepTemporaries(tree: TreeHandle, entries: readonly OwnedEntry[]): void {
  for (const entry of entries) {
    if (entry.type !== "directory") continue;
    const at = tree.resolve(`${entry.path}/x`);
    if (at === undefined) continue;
    const directory: TreePath = at.slice(0, Math.max(0, at.lastIndexOf("/")));
    for (const name of tree.list(directory)) {
      const path = directory === "" ? name : `${directory}/${name}`;
      const ours = isTemporary(name) && isBelow(path, directory);
      if (ours && tree.stat(path)?.type !== "directory") tree.removeFile(path);
    }
  }
}
