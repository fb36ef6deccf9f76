import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fsyncSync,
  lchownSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from "node:fs";
import { type EntryType, showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { Attributes, FileStat, TreeHandle } from "../ports.ts";
import { copyAll, hashDescriptor, openToRead, readAll, setDescriptorAttributes, writeAll } from "./content.ts";
import { attempt, errorCode, failure, isMissing } from "./failure.ts";
import { below, descriptorPath, nodePath, openDirectory, splitPath, syncHeldDirectory } from "./paths.ts";
import { makeNodeAt, openBelow, openPath, resolveFlags, statAt, statDescriptor } from "./system-calls.ts";

/** As if chrooted at the tree's top, through no mount and no /proc link. */
const insideTree = resolveFlags.inRoot | resolveFlags.noXdev | resolveFlags.noMagicLinks;

/**
 * Opens a directory as a tree. Each operation opens the parent of its path from the tree's own
 * descriptor under the kernel's rules of containment and works on the last component in that open
 * directory: a symlink swapped in meanwhile leads nowhere else.
 */
export function openTree(path: string): TreeHandle {
  return new Tree(
    path,
    attempt("open the tree", path, () => openDirectory(path)),
  );
}

/** Opens a regular file inside an open tree for reading; throws Node's errors. */
export function openFileInside(tree: number, path: TreePath): number {
  return openToRead((flags) => openBelow(tree, path, flags | constants.O_NOFOLLOW, insideTree));
}

class Tree implements TreeHandle {
  readonly #path: string;
  readonly #top: number;
  #open = true;

  constructor(path: string, top: number) {
    this.#path = path;
    this.#top = top;
  }

  stat(path: TreePath): FileStat | undefined {
    if (path === "") return this.#withOpen("look at", "", openPath, statDescriptor);
    try {
      return this.#inParent("look at", path, (parent, name) => statAt(parent, name));
    } catch (thrown) {
      if (thrown instanceof RootloomError && isMissing(thrown.cause)) return undefined;
      throw thrown;
    }
  }

  resolve(path: TreePath): TreePath | undefined {
    if (path === "") return "";
    try {
      return this.#inParent("resolve", path, (parent, name) => {
        const top = readlinkSync(descriptorPath(this.#top), "latin1");
        const directory = readlinkSync(descriptorPath(parent), "latin1");
        const prefix = top === "/" ? top : `${top}/`;
        if (directory === top) return name;
        if (directory.startsWith(prefix)) return `${directory.slice(prefix.length)}/${name}`;
        throw new RootloomError(`cannot resolve ${this.#show(path)}: its directory is no longer inside the tree`, {
          retry: "transient",
        });
      });
    } catch (thrown) {
      if (thrown instanceof RootloomError && isMissing(thrown.cause)) return undefined;
      throw thrown;
    }
  }

  list(path: TreePath): readonly TreePath[] {
    return this.#withOpen("list", path, openPath | constants.O_DIRECTORY, (directory) =>
      readdirSync(`${descriptorPath(directory)}/.`, "latin1").sort(),
    );
  }

  read(path: TreePath): Uint8Array {
    return this.#withFile("read", path, readAll);
  }

  readLink(path: TreePath): string {
    return this.#inParent("read the link", path, (parent, name) =>
      readlinkSync(nodePath(below(parent, name)), "latin1"),
    );
  }

  sha256(path: TreePath): string {
    return this.#withFile("hash", path, hashDescriptor);
  }

  writeFile(
    path: TreePath,
    content: { readonly file: string } | { readonly bytes: Uint8Array },
    attributes: Attributes,
  ): void {
    this.#replace("write", path, (temporary) => {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      const descriptor = openSync(temporary, flags, 0o600);
      try {
        if ("bytes" in content) writeAll(descriptor, content.bytes);
        else copyFrom(content.file, descriptor);
        setDescriptorAttributes(descriptor, attributes);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  writeLink(path: TreePath, target: string, attributes: Attributes): void {
    this.#replace("write the link", path, (temporary) => {
      symlinkSync(nodePath(target), temporary);
      setLinkAttributes(temporary, attributes);
    });
  }

  makeNode(
    path: TreePath,
    node: { readonly type: EntryType; readonly major: number; readonly minor: number },
    attributes: Attributes,
  ): void {
    this.#replace("make the node", path, (temporary, parent, name) => {
      makeNodeAt(below(parent, name), node.type, node.major, node.minor);
      const held = openSync(temporary, openPath | constants.O_NOFOLLOW);
      try {
        setHeldAttributes(held, attributes);
      } finally {
        closeSync(held);
      }
    });
  }

  makeDirectory(path: TreePath, attributes: Attributes): void {
    this.#inParent("make the directory", path, (parent, name) => {
      mkdirSync(nodePath(below(parent, name)), 0o700);
      this.setAttributes(path, attributes);
      syncHeldDirectory(parent);
    });
  }

  setAttributes(path: TreePath, attributes: Attributes): void {
    this.#withOpen("set owner and mode of", path, openPath, (held) => {
      if (statDescriptor(held).type !== "symlink") return setHeldAttributes(held, attributes);
      this.#inParent("set the owner of", path, (parent, name) =>
        setLinkAttributes(nodePath(below(parent, name)), attributes),
      );
    });
  }

  removeFile(path: TreePath): void {
    this.#remove("remove", path, unlinkSync);
  }

  removeDirectory(path: TreePath): void {
    this.#remove("remove the directory", path, rmdirSync);
  }

  close(): void {
    if (this.#open) closeSync(this.#top);
    this.#open = false;
  }

  #remove(action: string, path: TreePath, remove: (path: string | Buffer) => void): void {
    this.#inParent(action, path, (parent, name) => {
      const facts = statAt(parent, name);
      if (facts?.mountRoot === true) throw Object.assign(new Error("a mount point"), { code: "EBUSY" });
      if (facts?.type === "directory" && remove === unlinkSync) throw Object.assign(new Error(), { code: "EISDIR" });
      remove(nodePath(below(parent, name)));
      syncHeldDirectory(parent);
    });
  }

  /** Makes something beside under a temporary name and renames it over what is no directory. */
  #replace(
    action: string,
    path: TreePath,
    make: (temporary: string | Buffer, parent: number, name: TreePath) => void,
  ): void {
    this.#inParent(action, path, (parent, name) => {
      const facts = statAt(parent, name);
      if (facts?.type === "directory") throw Object.assign(new Error(), { code: "EISDIR" });
      const temporaryName = temporaryNameFor();
      const temporary = nodePath(below(parent, temporaryName));
      try {
        make(temporary, parent, temporaryName);
        renameSync(temporary, nodePath(below(parent, name)));
      } catch (thrown) {
        removeQuietly(temporary);
        throw thrown;
      }
      syncHeldDirectory(parent);
    });
  }

  #withFile<T>(action: string, path: TreePath, body: (descriptor: number) => T): T {
    return this.#closing(action, path, () => openFileInside(this.#top, path), body);
  }

  #withOpen<T>(action: string, path: TreePath, flags: number, body: (descriptor: number) => T): T {
    return this.#closing(
      action,
      path,
      () => openBelow(this.#top, path, flags | constants.O_NOFOLLOW, insideTree),
      body,
    );
  }

  #inParent<T>(action: string, path: TreePath, body: (parent: number, name: TreePath) => T): T {
    const { parent, name } = splitPath(path);
    if (name === "" || name === "." || name === "..") {
      throw new RootloomError(`cannot ${action} ${this.#show(path)}: it names no entry of the tree`);
    }
    const open = () => openBelow(this.#top, parent, openPath | constants.O_DIRECTORY, insideTree);
    return this.#closing(action, path, open, (descriptor) => body(descriptor, name));
  }

  #closing<T>(action: string, path: TreePath, open: () => number, body: (descriptor: number) => T): T {
    // A closed descriptor's number may stand for another file by now.
    if (!this.#open) throw new RootloomError(`cannot ${action} ${this.#show(path)}: the tree was closed`);
    try {
      const descriptor = open();
      try {
        return body(descriptor);
      } finally {
        closeSync(descriptor);
      }
    } catch (thrown) {
      throw failure(action, this.#show(path), thrown);
    }
  }

  #show(path: TreePath): string {
    return path === "" ? this.#path : `${this.#path}/${showPath(path)}`;
  }
}

/** Attributes of anything but a symlink, held by an O_PATH descriptor: the inode itself, whatever its name leads to by now. */
export function setHeldAttributes(held: number, attributes: Attributes): void {
  const path = descriptorPath(held);
  const facts = statDescriptor(held);
  if (facts.owner !== attributes.owner || facts.group !== attributes.group) {
    chownSync(path, attributes.owner, attributes.group);
  }
  chmodSync(path, attributes.mode);
  if (attributes.modified_s !== undefined) utimesSync(path, attributes.modified_s, attributes.modified_s);
}

function setLinkAttributes(path: string | Buffer, attributes: Attributes): void {
  lchownSync(path, attributes.owner, attributes.group);
  if (attributes.modified_s !== undefined) lutimesSync(path, attributes.modified_s, attributes.modified_s);
}

function copyFrom(file: string, to: number): void {
  const from = openToRead((flags) => openSync(file, flags));
  try {
    copyAll(from, to);
  } finally {
    closeSync(from);
  }
}

/** A name for something that is being made; what a killed process leaves begins with this. */
export function temporaryNameFor(): string {
  return `.rootloom-new-${randomBytes(8).toString("hex")}`;
}

function removeQuietly(path: string | Buffer): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if (errorCode(thrown) === undefined) throw thrown;
  }
}
