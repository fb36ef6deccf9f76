import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import type { EntryType, TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { Attributes, FileStat, TreeHandle } from "../ports.ts";
import { setHeldAttributes, setLinkAttributes } from "./attributes.ts";
import { copyAll, hashDescriptor, openToRead, readAll, setDescriptorAttributes, writeAll } from "./content.ts";
import { attempt, errorCode, isMissing } from "./failure.ts";
import { HeldTree } from "./held-tree.ts";
import { below, descriptorPath, nodePath, openDirectory, syncHeldDirectory, temporaryNameFor } from "./paths.ts";
import { makeNodeAt, openPath, statAt, statDescriptor } from "./system-calls.ts";

/**
 * Opens a directory as a tree. Each operation opens the parent of its path from the tree's own
 * descriptor under the kernel's rules of containment and works on the last component in that open
 * directory: a symlink swapped in meanwhile leads nowhere else.
 */
export function openTree(path: string): TreeHandle {
  return new Tree(
    new HeldTree(
      path,
      attempt("open the tree", path, () => openDirectory(path)),
    ),
  );
}

class Tree implements TreeHandle {
  readonly #held: HeldTree;

  constructor(held: HeldTree) {
    this.#held = held;
  }

  stat(path: TreePath): FileStat | undefined {
    if (path === "") return this.#held.withOpen("look at", "", openPath, statDescriptor);
    try {
      return this.#held.inParent("look at", path, (parent, name) => statAt(parent, name));
    } catch (thrown) {
      if (thrown instanceof RootloomError && isMissing(thrown.cause)) return undefined;
      throw thrown;
    }
  }

  resolve(path: TreePath): TreePath | undefined {
    if (path === "") return "";
    try {
      return this.#held.inParent("resolve", path, (parent, name) => {
        const top = readlinkSync(descriptorPath(this.#held.top), "latin1");
        const directory = readlinkSync(descriptorPath(parent), "latin1");
        const prefix = top === "/" ? top : `${top}/`;
        if (directory === top) return name;
        if (directory.startsWith(prefix)) return `${directory.slice(prefix.length)}/${name}`;
        throw new RootloomError(`cannot resolve ${this.#held.show(path)}: its directory is no longer inside the tree`, {
          retry: "transient",
        });
      });
    } catch (thrown) {
      if (thrown instanceof RootloomError && isMissing(thrown.cause)) return undefined;
      throw thrown;
    }
  }

  list(path: TreePath): readonly TreePath[] {
    return this.#held.withOpen("list", path, openPath | constants.O_DIRECTORY, (directory) =>
      readdirSync(`${descriptorPath(directory)}/.`, "latin1").sort(),
    );
  }

  read(path: TreePath): Uint8Array {
    return this.#held.withFile("read", path, readAll);
  }

  readLink(path: TreePath): string {
    return this.#held.inParent("read the link", path, (parent, name) =>
      readlinkSync(nodePath(below(parent, name)), "latin1"),
    );
  }

  sha256(path: TreePath): string {
    return this.#held.withFile("hash", path, hashDescriptor);
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
    this.#held.inParent("make the directory", path, (parent, name) => {
      mkdirSync(nodePath(below(parent, name)), 0o700);
      this.setAttributes(path, attributes);
      syncHeldDirectory(parent);
    });
  }

  setAttributes(path: TreePath, attributes: Attributes): void {
    this.#held.withOpen("set owner and mode of", path, openPath, (held) => {
      if (statDescriptor(held).type !== "symlink") return setHeldAttributes(held, attributes);
      this.#held.inParent("set the owner of", path, (parent, name) =>
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
    this.#held.close();
  }

  #remove(action: string, path: TreePath, remove: (path: string | Buffer) => void): void {
    this.#held.inParent(action, path, (parent, name) => {
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
    this.#held.inParent(action, path, (parent, name) => {
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
}

function copyFrom(file: string, to: number): void {
  const from = openToRead((flags) => openSync(file, flags));
  try {
    copyAll(from, to);
  } finally {
    closeSync(from);
  }
}

function removeQuietly(path: string | Buffer): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if (errorCode(thrown) === undefined) throw thrown;
  }
}
