import { posix } from "node:path";
import type { TreeResource, VolumeOrigin } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import type { Places } from "../types.ts";
import { CLONE_NOTE } from "../volume/backends/copies.ts";
import { treePaths } from "./paths.ts";

interface CloneNote {
  readonly version: 1;
  readonly instance: string;
  /** The origin: `tree/debian`. */
  readonly tree: string;
  /** Of the root's top, which it has in its origin and in every clone of that. */
  readonly inode: number;
  readonly means: string;
}

/** What a volume that is made as a clone says of the root in it, until that is marked. */
export function cloneNote(origin: VolumeOrigin, { instance }: Pick<Places, "instance">, files: Files): string {
  const { means, tree } = origin;
  const note: CloneNote = { version: 1, instance, tree: tree.id, inode: files.stat(tree.path)?.inode ?? 0, means };
  return JSON.stringify(note);
}

/** How a root that nothing marks yet came with its volume, a clone of its origin's; empty where it did not. */
export function cameWithVolume(
  { name, path, volumePath, source }: Pick<TreeResource, "name" | "path" | "volumePath" | "source">,
  { instance }: Pick<Places, "instance">,
  files: Files,
): string {
  if (source.type !== "clone" || files.stat(treePaths(volumePath, name).marker) !== undefined) return "";
  const text = files.readText(posix.join(volumePath, CLONE_NOTE));
  const note = text === undefined ? undefined : parse(text);
  const isIt = note?.instance === instance && note.tree === source.tree && note.inode === files.stat(path)?.inode;
  return isIt && typeof note.means === "string" ? note.means : "";
}

/** What it says was taken over into the root's marker. */
export function forgetCloneNote({ volumePath }: Pick<TreeResource, "volumePath">, files: Files): void {
  const path = posix.join(volumePath, CLONE_NOTE);
  if (files.stat(path) !== undefined) files.removeFile(path);
}

function parse(text: string): Partial<CloneNote> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
