import { randomBytes } from "node:crypto";
import { closeSync, constants, fsyncSync, openSync } from "node:fs";
import type { TreePath } from "../../core/entry.ts";
import { TEMPORARY_PREFIX } from "../../core/temporary.ts";
import { openPath } from "./system-calls.ts";

/** The name by which node:fs reaches `name` in an open directory; one byte a character. */
export function below(directory: number, name: TreePath): string {
  return `/proc/self/fd/${directory}/${name}`;
}

/** The name by which node:fs reaches what a descriptor holds, O_PATH ones too. */
export function descriptorPath(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

/** A byte-per-character path as node:fs takes it: a string where that is the same, else a Buffer. */
export function nodePath(path: string): string | Buffer {
  return /^[\u0001-\u007f]*$/.test(path) ? path : Buffer.from(path, "latin1");
}

/** Opens a directory of the host without following a symlink in its last component; for use as a base only. */
export function openDirectory(path: string): number {
  return openSync(path, openPath | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}

/** fsync of a directory that is held by any descriptor. */
export function syncHeldDirectory(directory: number): void {
  const descriptor = openSync(`${descriptorPath(directory)}/.`, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Directory and last component of a byte path; the top's own name is empty. */
export function splitPath(path: TreePath): { readonly parent: TreePath; readonly name: TreePath } {
  const slash = path.lastIndexOf("/");
  return { parent: slash < 0 ? "" : path.slice(0, slash), name: path.slice(slash + 1) };
}

/** Runs `body` with a descriptor and closes it, whatever happens. */
export function holding<T>(descriptor: number, body: (descriptor: number) => T): T {
  try {
    return body(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** A name for something that is being made; what a killed process leaves begins with this. */
export function temporaryNameFor(): string {
  return `${TEMPORARY_PREFIX}${randomBytes(8).toString("hex")}`;
}
