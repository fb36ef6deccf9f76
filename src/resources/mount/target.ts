import { posix } from "node:path";
import { toTreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { MountResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { detail } from "../owned.ts";
import { isAnothers } from "../tree/anothers.ts";
import type { ApplyContext } from "../types.ts";

const LINKS_MAX = 40;

export interface Target {
  /** Absolute host path with no symlink of the root left in it. */
  readonly path: string;
  readonly exists: boolean;
}

/**
 * Where a target really is: every link on the way is followed inside `within`, as if chrooted.
 * @throws RootloomError when a relative link climbs out, or the target itself is a link out of the root.
 */
export function resolveTarget(files: Files, resource: MountResource): Target {
  const { within } = resource;
  const base = within === "" ? "" : within;
  const rest = names(insideOf(resource));
  let at: string[] = [];
  let links = 0;
  while (rest.length > 0) {
    const name = rest.shift() ?? "";
    if (name === "..") {
      if (at.length === 0) throw leadsOut(resource);
      at = at.slice(0, -1);
      continue;
    }
    const path = `${base}/${[...at, name].join("/")}`;
    const link = files.stat(path)?.type === "symlink" ? files.readLink(path) : undefined;
    if (link === undefined) {
      at.push(name);
      continue;
    }
    links += 1;
    if (links > LINKS_MAX) throw new RootloomError(`cannot mount ${resource.target}: too many links on the way`);
    // An absolute link is common inside a root (/var/run -> /run), but a target that is one is most likely a trap.
    if (link.startsWith("/") && rest.length === 0) throw leadsOut(resource);
    if (link.startsWith("/")) at = [];
    rest.unshift(...names(link));
  }
  const path = `${base}/${at.join("/")}`;
  const standing = files.stat(path);
  if (standing !== undefined && standing.type !== "directory") {
    throw new RootloomError(`cannot mount ${resource.target}: a ${standing.type} stands there`, {
      hint: "a target is a directory: remove what stands there, or declare another target",
    });
  }
  return { path, exists: standing !== undefined };
}

/**
 * Asked just before a mount is made: in what was put in the root's place since it was looked at, it would be nobody's to
 * take away again.
 */
export function refuseAnothersRoot({ tree, within: treePath, target }: MountResource, context: ApplyContext): void {
  if (tree === undefined) return;
  const volumePath = detail(context.owned(tree), "volumePath");
  const place = { treePath, volumePath, tree: tree.slice("tree/".length) };
  if (volumePath === "" || !isAnothers(place, context)) return;
  throw new RootloomError(`cannot mount ${target}: another stands in the place of its root`, {
    hint: "the next pass looks again",
    retry: "transient",
  });
}

/**
 * Makes the missing directories of a target, inside its root and through a handle; never through a mount. `top`: the
 * root itself, or a tmpfs of ours that is mounted in it.
 */
export function makeTarget(files: Files, resource: MountResource, path: string, top = resource.within): void {
  if (resource.within === "") {
    throw new RootloomError(`cannot mount ${resource.target}: the directory is not there`, {
      hint: `make it by hand: mkdir -p ${resource.target}`,
    });
  }
  const tree = files.openTree(top);
  try {
    let made = "";
    for (const name of names(path.slice(top.length))) {
      made = made === "" ? toTreePath(name) : `${made}/${toTreePath(name)}`;
      if (tree.stat(made) === undefined) tree.makeDirectory(made, { owner: 0, group: 0, mode: 0o755 });
    }
  } finally {
    tree.close();
  }
}

/** The target below its root, as declared: `/var/cache`. */
export function insideOf(resource: Pick<MountResource, "target" | "within">): string {
  const { target, within } = resource;
  if (within === "" || !(target === within || target.startsWith(`${within}/`))) return posix.normalize(target);
  return target.slice(within.length) || "/";
}

function names(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function leadsOut(resource: MountResource): RootloomError {
  return new RootloomError(`cannot mount ${resource.target}: the target is a link out of the root`, {
    hint: "declare the real path inside the root, or replace the link by a directory",
  });
}
