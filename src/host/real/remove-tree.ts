import { closeSync, constants, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { MountEntry } from "../ports.ts";
import { attempt, failure } from "./failure.ts";
import { below, descriptorPath, nodePath, openDirectory, syncHeldDirectory } from "./paths.ts";
import { type NodeFacts, openBelow, openPath, resolveFlags, statAt, statDescriptor } from "./system-calls.ts";

const oneLevelDown = resolveFlags.beneath | resolveFlags.noXdev | resolveFlags.noSymlinks;

interface Removal {
  /** For messages. */
  readonly path: string;
  /** What every directory of the tree must be on. */
  readonly device: number;
  readonly mountId: number;
}

/**
 * Removes a tree. Two walks over open directories, never over paths: the first changes nothing and refuses
 * what lies on another mount or device, the second removes, with the same checks at each level.
 * @param realPath the tree's path with no symlink in it, as the mounts are listed.
 * @param mounts of every namespace that may see the tree: removing a mount point unmounts it elsewhere.
 * @param keep a name at the top that stays, and the top with it.
 */
export function removeTree(realPath: string, inode: number, mounts: readonly MountEntry[], keep?: TreePath): void {
  refuseMountsBelow(realPath, mounts);
  const parent = attempt("remove the tree", realPath, () => openDirectory(dirname(realPath)));
  try {
    const name = Buffer.from(realPath.slice(realPath.lastIndexOf("/") + 1)).toString("latin1");
    const top = openChild({ path: dirname(realPath), ...statDescriptor(parent) }, parent, name, "");
    try {
      const facts = statDescriptor(top);
      if (facts.inode !== inode) throw replaced(realPath);
      const removal: Removal = { path: realPath, device: facts.device, mountId: facts.mountId };
      inspect(removal, top, "");
      empty(removal, top, "", keep);
      if (keep !== undefined) return;
      if (statAt(parent, name)?.inode !== inode) throw replaced(realPath);
    } finally {
      closeSync(top);
    }
    attempt("remove the tree", realPath, () => {
      rmdirSync(nodePath(below(parent, name)));
      syncHeldDirectory(parent);
    });
  } finally {
    closeSync(parent);
  }
}

function refuseMountsBelow(path: string, mounts: readonly MountEntry[]): void {
  const mount = mounts.find(({ target }) => target === path || target.startsWith(`${path}/`));
  if (mount !== undefined) throw mounted(path, mount.target);
}

/** Throws when a mount or another filesystem begins anywhere below. */
function inspect(removal: Removal, directory: number, prefix: TreePath): void {
  for (const { name, isDirectory } of children(removal, directory, prefix)) {
    if (!isDirectory) {
      if (statAt(directory, name)?.mountRoot === true) throw mounted(removal.path, show(removal, prefix + name));
      continue;
    }
    withChild(removal, directory, prefix + name, name, (child) => inspect(removal, child, `${prefix}${name}/`));
  }
}

function empty(removal: Removal, directory: number, prefix: TreePath, keep?: TreePath): void {
  for (const { name, isDirectory } of children(removal, directory, prefix)) {
    if (name === keep) continue;
    const path = prefix + name;
    if (isDirectory) withChild(removal, directory, path, name, (child) => empty(removal, child, `${path}/`));
    // Neither follows a link, and the kernel refuses both on a mount point of this namespace.
    const remove = isDirectory ? rmdirSync : unlinkSync;
    attempt("remove", show(removal, path), () => remove(nodePath(below(directory, name))));
  }
}

function children(
  removal: Removal,
  directory: number,
  prefix: TreePath,
): readonly { readonly name: TreePath; readonly isDirectory: boolean }[] {
  return attempt("list", show(removal, prefix), () =>
    readdirSync(`${descriptorPath(directory)}/.`, { encoding: "latin1", withFileTypes: true }).map((entry) => ({
      name: entry.name,
      isDirectory: entry.isDirectory(),
    })),
  );
}

function withChild(removal: Removal, directory: number, path: TreePath, name: TreePath, body: (child: number) => void) {
  const child = openChild(removal, directory, name, path);
  try {
    const facts = statDescriptor(child);
    if (facts.device !== removal.device || facts.mountId !== removal.mountId) {
      throw mounted(removal.path, show(removal, path));
    }
    body(child);
  } finally {
    closeSync(child);
  }
}

function openChild(
  removal: Removal | (NodeFacts & { path: string }),
  directory: number,
  name: TreePath,
  path: TreePath,
) {
  try {
    const flags = openPath | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    return openBelow(directory, name, flags, oneLevelDown);
  } catch (thrown) {
    throw failure("remove", show(removal, path === "" ? name : path), thrown);
  }
}

function mounted(path: string, target: string): RootloomError {
  return new RootloomError(`cannot remove ${path}: something is mounted at ${target}`, {
    hint: `unmount it first; \`findmnt ${target}\` shows what it is`,
  });
}

function replaced(path: string): RootloomError {
  return new RootloomError(`cannot remove ${path}: it is not the directory that was seen before`, {
    hint: "something else replaced it: look at what stands there now",
  });
}

function show(removal: { readonly path: string }, path: TreePath): string {
  return path === "" ? removal.path : `${removal.path}/${showPath(path)}`;
}
