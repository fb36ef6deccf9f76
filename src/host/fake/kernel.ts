import { toTreePath } from "../../core/entry.ts";
import { type Content, EMPTY } from "./content.ts";
import { ErrnoError, isErrno } from "./errno.ts";
import type { NewInode } from "./file-system.ts";
import type { Inode } from "./inode.ts";
import type { Location, MountTable } from "./mount-table.ts";
import { type Found, isSame, type WalkOptions, walk } from "./walk.ts";

/**
 * System calls on files, in one mount namespace, seen from one root directory (the top, or a tree as
 * if chrooted). Paths are one byte a character. Each throws an ErrnoError as the kernel would.
 */
export class Kernel {
  readonly table: MountTable;
  readonly #root: Location | undefined;
  readonly #withinMount: boolean;

  constructor(table: MountTable, root?: Location, withinMount = false) {
    this.table = table;
    this.#root = root;
    this.#withinMount = withinMount;
  }

  /** The same calls below a directory, which no path leaves and no path leads out of its mount. */
  below(root: Location): Kernel {
    return new Kernel(this.table, root, true);
  }

  /** As chroot(2): mounts below the directory are seen. */
  changeRoot(root: Location): Kernel {
    return new Kernel(this.table, root);
  }

  find(path: string, follow = false): Found {
    const options: WalkOptions = { follow, withinMount: this.#withinMount };
    return walk(this.table, path, this.#root === undefined ? options : { ...options, root: this.#root });
  }

  /** The place a path leads to; undefined when there is nothing (ENOENT, ENOTDIR). */
  look(path: string, follow = false): Location | undefined {
    try {
      return this.find(path, follow).at;
    } catch (thrown) {
      if (isErrno(thrown, "ENOENT", "ENOTDIR")) return undefined;
      throw thrown;
    }
  }

  get(path: string, follow = false): Location {
    const { at } = this.find(path, follow);
    if (at === undefined) throw new ErrnoError("ENOENT", path);
    return at;
  }

  directory(path: string): Location {
    const location = this.get(path, true);
    if (location.inode.type !== "directory") throw new ErrnoError("ENOTDIR", path);
    return location;
  }

  /** Makes any node where nothing stands. */
  create(path: string, node: NewInode): Inode {
    const { parent, name, at } = this.find(path);
    if (at !== undefined || name === "") throw new ErrnoError("EEXIST", path);
    this.#writable(parent, path);
    const inode = parent.inode.fileSystem.makeInode(node);
    parent.inode.fileSystem.change([{ directory: parent.inode, name, after: inode }]);
    return inode;
  }

  /** open with O_CREAT, following links: an existing file keeps its inode and is emptied when `truncate`. */
  open(path: string, mode: number, truncate: boolean): Inode {
    const found = this.find(path, true);
    this.#writable(found.at ?? found.parent, path);
    if (found.at === undefined) {
      const fileSystem = found.parent.inode.fileSystem;
      const inode = fileSystem.makeInode({ type: "file", mode });
      fileSystem.change([{ directory: found.parent.inode, name: found.name, after: inode }]);
      return inode;
    }
    if (found.at.inode.type === "directory") throw new ErrnoError("EISDIR", path);
    if (truncate) found.at.inode.fileSystem.setContent(found.at.inode, EMPTY);
    return found.at.inode;
  }

  write(inode: Inode, content: Content): void {
    inode.fileSystem.setContent(inode, content);
  }

  /** link(2): another name for a file. */
  link(from: string, to: string): void {
    const source = this.get(from);
    if (source.inode.type === "directory") throw new ErrnoError("EPERM", from);
    const { parent, name, at } = this.find(to);
    if (at !== undefined) throw new ErrnoError("EEXIST", to);
    if (parent.mount !== source.mount) throw new ErrnoError("EXDEV", to);
    this.#writable(parent, to);
    parent.inode.fileSystem.change([{ directory: parent.inode, name, after: source.inode }]);
  }

  /** rename(2): neither end is followed; a directory replaces only an empty directory. */
  rename(from: string, to: string): void {
    const source = this.find(from);
    const target = this.find(to);
    if (source.at === undefined) throw new ErrnoError("ENOENT", from);
    if (source.name === "" || target.name === "") throw new ErrnoError("EBUSY", from);
    if (source.parent.mount !== target.parent.mount) throw new ErrnoError("EXDEV", to);
    this.#movable(source.parent, source.at, from);
    this.#writable(source.parent, from);
    const moving = source.at.inode;
    for (let above = target.parent; ; above = this.table.above(above)) {
      if (above.inode === moving) throw new ErrnoError("EINVAL", to);
      if (isSame(above, this.table.above(above))) break;
    }
    if (target.at !== undefined) {
      this.#movable(target.parent, target.at, to);
      if (target.at.inode === moving) return;
      if (target.at.inode.type === "directory" && moving.type !== "directory") throw new ErrnoError("EISDIR", to);
      if (target.at.inode.type !== "directory" && moving.type === "directory") throw new ErrnoError("ENOTDIR", to);
      if (target.at.inode.entries.size > 0) throw new ErrnoError("ENOTEMPTY", to);
    }
    moving.fileSystem.change([
      { directory: source.parent.inode, name: source.name, after: undefined },
      { directory: target.parent.inode, name: target.name, after: moving },
    ]);
  }

  unlink(path: string): void {
    const { parent, name, at } = this.find(path);
    if (at === undefined) throw new ErrnoError("ENOENT", path);
    if (at.inode.type === "directory") throw new ErrnoError("EISDIR", path);
    this.#movable(parent, at, path);
    this.#writable(parent, path);
    parent.inode.fileSystem.change([{ directory: parent.inode, name, after: undefined }]);
  }

  removeDirectory(path: string): void {
    const { parent, name, at } = this.find(path);
    if (at === undefined) throw new ErrnoError("ENOENT", path);
    if (at.inode.type !== "directory") throw new ErrnoError("ENOTDIR", path);
    if (name === "") throw new ErrnoError("EBUSY", path);
    this.#movable(parent, at, path);
    if (at.inode.entries.size > 0) throw new ErrnoError("ENOTEMPTY", path);
    this.#writable(parent, path);
    parent.inode.fileSystem.change([{ directory: parent.inode, name, after: undefined }]);
  }

  /** chown, chmod (not for links) and utimes of the node itself. */
  setAttributes(
    location: Location,
    attributes: { owner: number; group: number; mode: number; modified_s?: number },
  ): void {
    this.#writable(location, "");
    const { inode } = location;
    inode.owner = attributes.owner;
    inode.group = attributes.group;
    if (inode.type !== "symlink") inode.mode = attributes.mode;
    inode.fileSystem.touch(inode, false);
    if (attributes.modified_s !== undefined) inode.modified_ms = attributes.modified_s * 1000;
  }

  #writable(location: Location, path: string): void {
    const readOnly = location.mount.options.includes("ro") || location.mount.superOptions.includes("ro");
    if (readOnly) throw new ErrnoError("EROFS", path);
  }

  /** A mount point can be neither moved nor removed in its own namespace. */
  #movable(parent: Location, at: Location, path: string): void {
    if (at.mount !== parent.mount) throw new ErrnoError("EBUSY", path);
  }
}

/** A host path, UTF-8, as one byte a character. @throws ErrnoError EINVAL for one that is not absolute. */
export function encode(path: string): string {
  if (!path.startsWith("/") || path.includes("\0")) throw new ErrnoError("EINVAL", path);
  return toTreePath(path);
}
