import { posix } from "node:path";
import { type Entry, toTreePath } from "../../core/entry.ts";
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
  /** Absolute path of the live top. */
  readonly place: string;
  /** Folder for what has to make room. */
  readonly aside: string;
  /** Files whose extended attributes are not the recorded ones. */
  readonly attributes: ReadonlySet<string>;
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
    // Its capabilities went with its owner: the extracted one has them. Nothing of the old one is lost.
    const changedOwner = current.owner !== entry.owner || current.group !== entry.group;
    const isToBeLaid = changedOwner || trees.attributes.has(entry.path);
    if (entry.type === "file" && current.links === 1 && isToBeLaid && canLay(entry, trees)) lay(entry, trees, context);
    else top.setAttributes(entry.path, entry);
    return true;
  }
  if (!canLay(entry, trees)) return false;
  if (current !== undefined && !setAside(resource, top, entry.path, trees.aside, context, true)) return false;
  lay(entry, trees, context);
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

function lay(entry: Entry, trees: Trees, context: ApplyContext): void {
  const { top } = trees;
  if (entry.type === "file") layFile(entry, trees, context);
  else if (entry.type === "symlink") top.writeLink(entry.path, entry.target, entry);
  else if (entry.type === "directory") top.makeDirectory(entry.path, entry);
  else top.makeNode(entry.path, entry, entry);
}

/**
 * The extracted file itself goes to its place, with all its extended attributes: it is on the same volume, and synced. A
 * name that is not UTF-8 has no host path: there, only the content is copied.
 */
function layFile(entry: Entry, { top, from, source, place }: Trees, { host }: ApplyContext): void {
  const name = Buffer.from(entry.path, "latin1").toString("utf8");
  if (toTreePath(name) !== entry.path) top.writeFile(entry.path, { bytes: from.read(entry.path) }, entry);
  else {
    host.files.rename(posix.join(source, name), posix.join(place, name));
    top.setAttributes(entry.path, entry);
  }
}
