import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { Attributes, TreeHandle } from "../ports.ts";
import { bytesContent, contentBytes, contentDigest } from "./content.ts";
import { attempt, ErrnoError, isErrno } from "./errno.ts";
import { type FileContext, isDirectory, makeDirectoryAt, replaceNode, syncParent } from "./file-context.ts";
import { type Inode, inodeStat } from "./inode.ts";
import { encode, type Kernel } from "./kernel.ts";
import type { Location } from "./mount-table.ts";

/** Opens a directory as a tree: no path leaves it, no path leads through a mount in it. */
export function openFakeTree(host: FileContext, top: string): TreeHandle {
  const tree = attempt("open the tree", top, () => host.kernel.below(openTop(host.kernel, top)));
  const context: FileContext = { ...host, kernel: tree };
  let open = true;
  const within = <T>(verb: string, path: TreePath, body: (kernel: Kernel) => T): T => {
    if (!open) throw new RootloomError(`cannot ${verb} ${showPath(path)}: the tree was closed`);
    return attempt(verb, path === "" ? top : `${top}/${showPath(path)}`, () => body(tree));
  };
  return {
    ...readers(within),
    ...writers(within, context, host.kernel),
    close: () => {
      open = false;
    },
  };
}

type Within = <T>(verb: string, path: TreePath, body: (kernel: Kernel) => T) => T;
type Readers = Pick<TreeHandle, "stat" | "resolve" | "list" | "read" | "readLink" | "sha256">;

function readers(within: Within): Readers {
  return {
    stat: (path) =>
      within("look at", path, (kernel) => {
        const location = kernel.look(path);
        return location && inodeStat(location.inode);
      }),
    resolve: (path) =>
      within("resolve", path, (kernel) => {
        try {
          return kernel.find(path).resolved;
        } catch (thrown) {
          if (isErrno(thrown, "ENOENT", "ENOTDIR")) return undefined;
          throw thrown;
        }
      }),
    list: (path) =>
      within("list", path, (kernel) => {
        const inode = reachable(kernel, path);
        if (!isDirectory(inode)) throw new ErrnoError("ENOTDIR", path);
        return [...inode.entries.keys()].sort();
      }),
    read: (path) => within("read", path, (kernel) => contentBytes(regularFile(kernel, path).content)),
    readLink: (path) =>
      within("read the link", path, (kernel) => {
        const { inode } = kernel.get(path);
        if (inode.type !== "symlink") throw new ErrnoError("EINVAL", path);
        return inode.target;
      }),
    sha256: (path) => within("read", path, (kernel) => contentDigest(regularFile(kernel, path).content)),
  };
}

function writers(within: Within, context: FileContext, host: Kernel): Omit<TreeHandle, keyof Readers | "close"> {
  const overFile = (inode: Inode): boolean => !isDirectory(inode);
  return {
    writeFile: (path, content, attributes) =>
      within("write", path, () => {
        const bytes =
          "bytes" in content ? bytesContent(content.bytes) : host.get(encode(content.file), true).inode.content;
        replaceNode(context, path, { type: "file", content: bytes }, attributes, overFile);
      }),
    writeLink: (path, target, attributes) =>
      within("write the link", path, () =>
        replaceNode(context, path, { type: "symlink", target }, attributes, overFile),
      ),
    makeNode: (path, { type, major, minor }, attributes) =>
      within("make the node", path, () => {
        if (type === "file" || type === "directory" || type === "symlink") throw new ErrnoError("EINVAL", path);
        replaceNode(context, path, { type, major, minor }, attributes, overFile);
      }),
    makeDirectory: (path, attributes) =>
      within("make the directory", path, () => makeDirectoryAt(context, path, attributes)),
    setAttributes: (path, attributes: Attributes) =>
      within("set owner and mode of", path, (kernel) => {
        reachable(kernel, path);
        kernel.setAttributes(kernel.get(path), attributes);
      }),
    removeFile: (path) =>
      within("remove", path, (kernel) => {
        kernel.unlink(path);
        syncParent(kernel, path);
      }),
    removeDirectory: (path) =>
      within("remove the directory", path, (kernel) => {
        kernel.removeDirectory(path);
        syncParent(kernel, path);
      }),
  };
}

function openTop(kernel: Kernel, top: string): Location {
  const location = kernel.get(encode(top));
  if (!isDirectory(location.inode)) throw new ErrnoError("ENOTDIR", top);
  return location;
}

/** What a path leads to for reading it: never what is mounted there. */
function reachable(kernel: Kernel, path: TreePath): Inode {
  const { parent, at } = kernel.find(path);
  if (at === undefined) throw new ErrnoError("ENOENT", path);
  if (path !== "" && at.mount !== parent.mount) throw new ErrnoError("EXDEV", path);
  return at.inode;
}

function regularFile(kernel: Kernel, path: TreePath): Inode {
  const inode = reachable(kernel, path);
  if (isDirectory(inode)) throw new ErrnoError("EISDIR", path);
  if (inode.type === "symlink") throw new ErrnoError("ELOOP", path);
  if (inode.type !== "file") throw new ErrnoError("EINVAL", path);
  return inode;
}
