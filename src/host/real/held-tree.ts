import { closeSync, constants } from "node:fs";
import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import { openToRead } from "./content.ts";
import { failure } from "./failure.ts";
import { splitPath } from "./paths.ts";
import { openBelow, openPath, resolveFlags } from "./system-calls.ts";

/** As if chrooted at the tree's top, through no mount and no /proc link. */
const insideTree = resolveFlags.inRoot | resolveFlags.noXdev | resolveFlags.noMagicLinks;

/** The descriptor of a tree's top, and the ways to open what is below it. Errors name the path and the action. */
export class HeldTree {
  readonly top: number;
  readonly #path: string;
  #open = true;

  constructor(path: string, top: number) {
    this.#path = path;
    this.top = top;
  }

  close(): void {
    if (this.#open) closeSync(this.top);
    this.#open = false;
  }

  /** Runs `body` on a regular file, opened to read. */
  withFile<T>(action: string, path: TreePath, body: (descriptor: number) => T): T {
    return this.#closing(action, path, () => openFileInside(this.top, path), body);
  }

  /** Runs `body` on what the path names, opened with `flags`; a symlink there is not followed. */
  withOpen<T>(action: string, path: TreePath, flags: number, body: (descriptor: number) => T): T {
    return this.#closing(action, path, () => openBelow(this.top, path, flags | constants.O_NOFOLLOW, insideTree), body);
  }

  /** Runs `body` on the directory that holds the path's last component, and that component. */
  inParent<T>(action: string, path: TreePath, body: (parent: number, name: TreePath) => T): T {
    const { parent, name } = splitPath(path);
    if (name === "" || name === "." || name === "..") {
      throw new RootloomError(`cannot ${action} ${this.show(path)}: it names no entry of the tree`);
    }
    const open = () => openBelow(this.top, parent, openPath | constants.O_DIRECTORY, insideTree);
    return this.#closing(action, path, open, (descriptor) => body(descriptor, name));
  }

  #closing<T>(action: string, path: TreePath, open: () => number, body: (descriptor: number) => T): T {
    // A closed descriptor's number may stand for another file by now.
    if (!this.#open) throw new RootloomError(`cannot ${action} ${this.show(path)}: the tree was closed`);
    try {
      const descriptor = open();
      try {
        return body(descriptor);
      } finally {
        closeSync(descriptor);
      }
    } catch (thrown) {
      throw failure(action, this.show(path), thrown);
    }
  }

  /** The path as people know it. */
  show(path: TreePath): string {
    return path === "" ? this.#path : `${this.#path}/${showPath(path)}`;
  }
}

/** Opens a regular file inside an open tree for reading; throws Node's errors. */
export function openFileInside(tree: number, path: TreePath): number {
  return openToRead((flags) => openBelow(tree, path, flags | constants.O_NOFOLLOW, insideTree));
}
