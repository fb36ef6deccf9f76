import type { TreePath } from "./entry.ts";

/** Begins the name of every file that is written beside another; 16 hex digits follow. A kill can leave one behind. */
export const TEMPORARY_PREFIX = ".rootloom-new-";

/** True for what a killed write of ours left: nobody else's file, and nothing of value. */
export function isTemporary(path: TreePath): boolean {
  return /^\.rootloom-new-[0-9a-f]{16}$/.test(path.slice(path.lastIndexOf("/") + 1));
}
