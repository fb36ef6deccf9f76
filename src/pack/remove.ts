import { showPath, type TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { Files } from "../host/ports.ts";
import { OWN_FOLDER } from "../resources/marker.ts";

export interface RemoveInput {
  readonly path: string;
  readonly inode: number;
  /** Refuses, with nothing removed, while another marked volume lies in it: one that was forgotten with its data, or another installation's. */
  readonly spareVolumes?: boolean;
  /** Only looks whether that is so, and removes nothing. */
  readonly lookOnly?: boolean;
  /** A name at the top that stays, and the top with it. */
  readonly keep?: TreePath;
}

/** Removes a whole tree by the rules of `Files.removeTree`. */
export function remove(files: Files, input: RemoveInput): undefined {
  const { path, inode, spareVolumes = false, lookOnly = false, keep } = input;
  const volume = spareVolumes ? volumeInside(files, path) : undefined;
  if (volume !== undefined)
    throw new RootloomError(`cannot remove ${path}: another volume lies in it, at ${volume}`, {
      hint: `move it out of ${path}, or remove it by hand if nobody needs it`,
    });
  if (!lookOnly) files.removeTree(path, inode, keep);
}

function volumeInside(files: Files, path: string): string | undefined {
  const end = `/${OWN_FOLDER}/volume.json`;
  for (const entry of files.scan(path))
    if (entry.path.endsWith(end)) return `${path}/${showPath(entry.path.slice(0, -end.length))}`;
  return undefined;
}
