import { posix } from "node:path";
import { type Entry, type TreePath, toTreePath } from "../../core/entry.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { FileStat, TreeHandle } from "../../host/ports.ts";
import type { ApplyContext } from "../types.ts";
import { setAside } from "./set-aside.ts";

interface Trees {
  /** The live top. */
  readonly top: TreeHandle;
  /** What was extracted, and its absolute path. */
  readonly from: TreeHandle;
  readonly source: string;
  /** Folder for what has to make room. */
  readonly aside: string;
}

/**
 * Makes one path of a live tree what its manifest says. False when that is not possible: a parent is missing, or
 * the extracted content is not what was recorded.
 */
export function layEntry(resource: TreeResource, entry: Entry, trees: Trees, context: ApplyContext): boolean {
  const { top } = trees;
  if (entry.path !== "" && top.resolve(entry.path) !== entry.path) return false;
  const current = top.stat(entry.path);
  if (current !== undefined && isSameContent(top, entry, current)) {
    top.setAttributes(entry.path, entry);
    return true;
  }
  if (!canLay(entry, trees)) return false;
  if (current !== undefined && !setAside(resource, top, entry.path, trees.aside, context, true)) return false;
  lay(entry, trees);
  return true;
}

function isSameContent(top: TreeHandle, entry: Entry, current: FileStat): boolean {
  if (current.type !== entry.type) return false;
  if (entry.type === "file") return current.size === entry.size && top.sha256(entry.path) === entry.sha256;
  if (entry.type === "symlink") return top.readLink(entry.path) === entry.target;
  return current.major === entry.major && current.minor === entry.minor;
}

/** Only content that is exactly what was recorded is laid. Links, nodes and directories need nothing but the manifest. */
function canLay(entry: Entry, { from }: Trees): boolean {
  if (entry.type === "socket") return false;
  if (entry.type !== "file") return true;
  return from.stat(entry.path)?.type === "file" && from.sha256(entry.path) === entry.sha256;
}

function lay(entry: Entry, { top, from, source }: Trees): void {
  if (entry.type === "file") top.writeFile(entry.path, contentOf(entry.path, from, source), entry);
  else if (entry.type === "symlink") top.writeLink(entry.path, entry.target, entry);
  else if (entry.type === "directory") top.makeDirectory(entry.path, entry);
  else top.makeNode(entry.path, entry, entry);
}

/** By name where the name is UTF-8, which host paths must be; else its bytes. */
function contentOf(path: TreePath, from: TreeHandle, source: string): { file: string } | { bytes: Uint8Array } {
  const name = Buffer.from(path, "latin1").toString("utf8");
  return toTreePath(name) === path ? { file: posix.join(source, name) } : { bytes: from.read(path) };
}
