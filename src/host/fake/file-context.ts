import type { Attributes } from "../ports.ts";
import type { Content } from "./content.ts";
import { ErrnoError, isErrno } from "./errno.ts";
import type { Inode } from "./inode.ts";
import type { Kernel } from "./kernel.ts";

/** What file operations need of the machine they run on. */
export interface FileContext {
  readonly kernel: Kernel;
  /** Suffix of a temporary name. */
  readonly unique: () => string;
  /** A moment inside a longer operation at which a fault may strike. */
  readonly point: (stage: string, path: string) => void;
}

export interface Replacement {
  readonly type: "file" | "symlink" | "character" | "block" | "fifo" | "socket";
  readonly content?: Content;
  readonly target?: string;
  readonly major?: number;
  readonly minor?: number;
}

/**
 * Makes a node beside, syncs it, renames it over what `mayReplace` allows, syncs the directory.
 * `path` is one byte a character. A failure removes the temporary node; a crash leaves it.
 */
export function replaceNode(
  context: FileContext,
  path: string,
  node: Replacement,
  attributes: Attributes,
  mayReplace: (existing: Inode) => boolean,
): void {
  const { kernel, point } = context;
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  const existing = kernel.find(path).at;
  if (existing !== undefined && !mayReplace(existing.inode)) throw refused(path, existing.inode);
  const beside = `${directory}.rootloom-new-${context.unique()}`;
  try {
    kernel.create(beside, { ...node, mode: node.type === "symlink" ? 0o777 : 0o600 });
    const location = kernel.get(beside);
    kernel.setAttributes(location, attributes);
    point("written", path);
    if (node.type === "file") location.inode.fileSystem.sync(location.inode);
    point("synced", path);
    kernel.rename(beside, path);
    point("renamed", path);
    syncParent(kernel, path);
  } catch (thrown) {
    if (thrown instanceof ErrnoError) removeQuietly(kernel, beside);
    throw thrown;
  }
}

/** fsync of the directory that holds the last component of a path. */
export function syncParent(kernel: Kernel, path: string): void {
  const { parent } = kernel.find(path);
  parent.inode.fileSystem.sync(parent.inode);
}

/** Directories above a path, 0755, not synced. */
export function makeParents(kernel: Kernel, path: string): void {
  for (let slash = path.indexOf("/", 1); slash > 0; slash = path.indexOf("/", slash + 1)) {
    const directory = path.slice(0, slash);
    if (kernel.look(directory, true) === undefined) kernel.create(directory, { type: "directory", mode: 0o755 });
  }
}

/** Makes a node and every name on the way to it durable, and nothing beside. */
export function syncPath(kernel: Kernel, path: string): void {
  for (let slash = path.indexOf("/", 1); slash > 0; slash = path.indexOf("/", slash + 1)) {
    const { inode } = kernel.get(path.slice(0, slash), true);
    inode.fileSystem.syncName(inode);
  }
  const { inode } = kernel.get(path);
  inode.fileSystem.syncName(inode);
}

/** A directory with exact attributes, its name synced. */
export function makeDirectoryAt(context: FileContext, path: string, attributes: Attributes): void {
  const { kernel } = context;
  kernel.create(path, { type: "directory", mode: 0o700 });
  context.point("made", path);
  kernel.setAttributes(kernel.get(path), attributes);
  syncParent(kernel, path);
}

export function isDirectory(inode: Inode): boolean {
  return inode.type === "directory";
}

function refused(path: string, inode: Inode): Error {
  if (isDirectory(inode)) return new ErrnoError("EISDIR", path);
  return new ErrnoError("EEXIST", path);
}

function removeQuietly(kernel: Kernel, path: string): void {
  try {
    kernel.unlink(path);
  } catch (thrown) {
    if (!isErrno(thrown)) throw thrown;
  }
}
