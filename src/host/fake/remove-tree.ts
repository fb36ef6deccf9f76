import type { TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import { attempt, ErrnoError } from "./errno.ts";
import type { FileContext } from "./file-context.ts";
import { encode, type Kernel } from "./kernel.ts";
import type { Location } from "./mount-table.ts";

/** Removes a whole tree that holds no mount and whose top is still `inode`; else nothing is removed. */
export function removeFakeTree(context: FileContext, path: string, inode: number, keep?: TreePath): void {
  attempt("remove the tree", path, () => {
    const { kernel } = context;
    const { at, parent, name } = kernel.find(encode(path));
    if (at === undefined) throw new ErrnoError("ENOENT", path);
    if (at.inode.type !== "directory") throw new ErrnoError("ENOTDIR", path);
    if (name === "" || at.mount !== parent.mount) throw mounted(path, kernel.table.pathOf(at));
    if (at.inode.number !== inode) {
      throw new RootloomError(`cannot remove ${path}: it is not the directory that was seen before`, {
        hint: "somebody replaced it: look at what stands there now",
      });
    }
    const inside = mountInside(kernel, at, encode(path));
    if (inside !== undefined) throw mounted(path, inside);
    removeBelow(context, at, encode(path), keep);
    if (keep !== undefined) return;
    kernel.removeDirectory(encode(path));
    parent.inode.fileSystem.sync(parent.inode);
  });
}

function mounted(path: string, target: string): RootloomError {
  return new RootloomError(`cannot remove ${path}: something is mounted at ${target}`, {
    hint: `unmount ${target} first`,
  });
}

function mountInside(kernel: Kernel, directory: Location, path: string): string | undefined {
  for (const [name, inode] of directory.inode.entries) {
    const child = { mount: directory.mount, inode };
    if (kernel.table.isMountPoint(child)) return `${path}/${name}`;
    if (inode.type !== "directory") continue;
    const inside = mountInside(kernel, child, `${path}/${name}`);
    if (inside !== undefined) return inside;
  }
  return undefined;
}

function removeBelow(context: FileContext, directory: Location, path: string, keep?: TreePath): void {
  for (const [name, inode] of [...directory.inode.entries]) {
    if (name === keep) continue;
    const child = `${path}/${name}`;
    context.point("removing", child);
    if (inode.type === "directory") {
      removeBelow(context, { mount: directory.mount, inode }, child);
      context.kernel.removeDirectory(child);
    } else context.kernel.unlink(child);
  }
}
