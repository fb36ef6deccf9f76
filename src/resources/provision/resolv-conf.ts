import { posix } from "node:path";
import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { Files, TreeHandle } from "../../host/ports.ts";

const RESOLV_CONF = "etc/resolv.conf";
const LINKS_MAX = 10;
const ROOTS = { owner: 0, group: 0 };

/** Where the host's resolver file is bound for the time of a step. */
export interface ResolvConf {
  /** Absolute path in the root; its links were followed inside the root. */
  readonly place: TreePath;
  /** What must be made for it, parents first, and goes again after the step. */
  readonly missing: readonly TreePath[];
}

/** Looks where a root's programs read their resolver configuration. Writes nothing. */
export function findResolvConf(root: TreeResource, files: Files): ResolvConf {
  const tree = files.openTree(root.path);
  try {
    const place = follow(tree, RESOLV_CONF);
    const names = place.split("/");
    const paths = names.map((_, index) => names.slice(0, index + 1).join("/"));
    return { place, missing: paths.filter((path) => tree.stat(path) === undefined) };
  } catch (cause) {
    throw new RootloomError(`cannot give root ${root.name} the host's resolv.conf: ${String(cause)}`, {
      hint: "declare `resolvConf: keep`, or put its /etc/resolv.conf right",
      cause,
    });
  } finally {
    tree.close();
  }
}

/** Makes what the bind needs: directories, and an empty file. */
export function makeMissing(root: TreeResource, { place, missing }: ResolvConf, files: Files): void {
  const tree = files.openTree(root.path);
  try {
    for (const path of missing) {
      if (path !== place) tree.makeDirectory(path, { ...ROOTS, mode: 0o755 });
      else tree.writeFile(path, { bytes: new Uint8Array() }, { ...ROOTS, mode: 0o644 });
    }
  } finally {
    tree.close();
  }
}

/** Takes away what was made for a step's time; what the step put there meanwhile stays. */
export function removeMade(root: TreeResource, made: readonly TreePath[], files: Files): void {
  if (made.length === 0) return;
  const tree = files.openTree(root.path);
  try {
    for (const path of [...made].reverse()) {
      const stat = tree.stat(path);
      if (stat?.type === "file" && stat.size === 0) tree.removeFile(path);
      if (stat?.type === "directory" && tree.list(path).length === 0) tree.removeDirectory(path);
    }
  } finally {
    tree.close();
  }
}

/** Where a path leads when all its links are followed inside the root, though what it leads to may not be there. */
function follow(tree: TreeHandle, path: TreePath): TreePath {
  let at = path;
  for (let links = 0; links < LINKS_MAX; links++) {
    const resolved = tree.resolve(at);
    if (resolved === undefined) return posix.normalize(at);
    if (tree.stat(resolved)?.type !== "symlink") return resolved;
    const target = tree.readLink(resolved);
    const next = target.startsWith("/") ? target : posix.join("/", posix.dirname(resolved), target);
    at = posix.normalize(next).replace(/^\/+/, "");
  }
  throw new RootloomError(`${showPath(path)} has too many links on the way`);
}
