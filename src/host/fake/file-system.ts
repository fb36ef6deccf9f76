import type { EntryType } from "../../core/entry.ts";
import { type Content, contentUse, EMPTY } from "./content.ts";
import {
  applyToDisk,
  type Change,
  forget,
  type Journal,
  neededBy,
  survivorsOf,
  type Transaction,
} from "./durability.ts";
import { ErrnoError } from "./errno.ts";
import { durableState, type Inode } from "./inode.ts";
import type { Random } from "./random.ts";

export interface FileSystemOptions {
  readonly type: string;
  /** Device number as a FileStat gives it: major * 2^20 + minor. */
  readonly device: number;
  readonly uuid?: string;
  readonly capacity_bytes?: number;
  /** Whether a copy can share blocks (xfs, btrfs). */
  readonly reflink?: boolean;
  /** What a power loss may take; `subset` unless told. */
  readonly journal?: Journal;
  readonly now_ms: () => number;
}

export interface NewInode {
  readonly type: EntryType;
  readonly mode: number;
  readonly owner?: number;
  readonly group?: number;
  readonly content?: Content;
  readonly target?: string;
  readonly major?: number;
  readonly minor?: number;
}

/**
 * One file system in memory. Entries, attributes and content are volatile until they are synced;
 * `crash` leaves what was synced and, by chance, some of the rest.
 */
export class FileSystem {
  readonly type: string;
  readonly device: number;
  readonly uuid: string | undefined;
  readonly reflink: boolean;
  readonly root: Inode;
  capacity_bytes: number;
  used_bytes = 0;
  readonly #now_ms: () => number;
  readonly #journal: Journal;
  #pending: Transaction[] = [];
  readonly #dirty = new Set<Inode>();
  #next = 2;

  constructor(options: FileSystemOptions) {
    this.type = options.type;
    this.device = options.device;
    this.uuid = options.uuid;
    this.reflink = options.reflink ?? false;
    this.capacity_bytes = options.capacity_bytes ?? 100 * 1024 ** 3;
    this.#journal = options.journal ?? "subset";
    this.#now_ms = options.now_ms;
    this.root = this.makeInode({ type: "directory", mode: 0o755 });
    this.root.parent = this.root;
    this.root.links = 1;
  }

  makeInode(node: NewInode): Inode {
    const now = this.#now_ms();
    const content = node.content ?? EMPTY;
    const attributes = { mode: node.mode, owner: node.owner ?? 0, group: node.group ?? 0, modified_ms: now };
    const inode: Inode = {
      ...attributes,
      number: this.#next++,
      fileSystem: this,
      type: node.type,
      changed_ms: now,
      links: 0,
      content: EMPTY,
      target: node.target ?? "",
      major: node.major ?? 0,
      minor: node.minor ?? 0,
      entries: new Map(),
      durableEntries: new Map(),
      parent: undefined,
      extendedAttributes: new Set(),
      durable: { ...attributes, content: EMPTY },
      version: 0,
      database: undefined,
    };
    if (node.content !== undefined) this.setContent(inode, content);
    return inode;
  }

  /** @throws ErrnoError ENOSPC when the file system is full; the content is then as it was. */
  setContent(inode: Inode, content: Content): void {
    const growth = contentUse(content) - contentUse(inode.content);
    if (growth > 0 && this.used_bytes + growth > this.capacity_bytes) throw new ErrnoError("ENOSPC", "");
    this.used_bytes += growth;
    inode.content = content;
    this.touch(inode, true);
  }

  /** Marks attributes (and content, when `modified`) as changed now. */
  touch(inode: Inode, modified: boolean): void {
    inode.changed_ms = this.#now_ms();
    inode.version += 1;
    if (modified) inode.modified_ms = inode.changed_ms;
    this.#dirty.add(inode);
  }

  /** Sets directory entries as one transaction; an `after` of undefined removes the name. */
  change(changes: readonly { directory: Inode; name: string; after: Inode | undefined }[]): void {
    const transaction = changes.map((change) => ({ ...change, before: change.directory.entries.get(change.name) }));
    for (const change of transaction) {
      if (change.before === undefined) continue;
      change.before.links -= 1;
      change.directory.entries.delete(change.name);
      this.touch(change.before, false);
    }
    for (const { directory, name, after } of transaction) {
      if (after !== undefined) {
        after.links += 1;
        directory.entries.set(name, after);
        if (after.type === "directory") after.parent = directory;
        this.touch(after, false);
      }
      this.touch(directory, true);
    }
    for (const { before } of transaction) {
      if (before !== undefined && before.links === 0) this.used_bytes -= contentUse(before.content);
    }
    this.#pending.push(transaction);
  }

  /** fsync: of a directory its entries and attributes, of all else content and attributes. */
  sync(inode: Inode): void {
    inode.durable = durableState(inode);
    this.#dirty.delete(inode);
    if (inode.type === "directory") this.#commit((change) => change.directory === inode);
  }

  /** Makes one name durable at once, as a store does for its own file. */
  syncName(inode: Inode): void {
    inode.durable = durableState(inode);
    this.#dirty.delete(inode);
    this.#commit((change) => change.after === inode || change.before === inode);
  }

  /** syncfs. */
  syncAll(): void {
    for (const transaction of this.#pending) applyToDisk(transaction);
    this.#pending = [];
    for (const inode of this.#dirty) inode.durable = durableState(inode);
    this.#dirty.clear();
  }

  /** Power goes: what was synced stays, of the rest a part that `random` chooses. */
  crash(random: Random): void {
    for (const transaction of survivorsOf(this.#pending, random, this.#journal)) applyToDisk(transaction);
    this.#pending = [];
    for (const inode of this.#dirty) {
      forget(inode, random);
      inode.version += 1;
    }
    this.#dirty.clear();
    this.used_bytes = 0;
    this.#reload(this.root, this.root, new Set());
  }

  #commit(touches: (change: Change) => boolean): void {
    const needed = neededBy(this.#pending, touches, this.#journal);
    for (const transaction of this.#pending) if (needed.has(transaction)) applyToDisk(transaction);
    this.#pending = this.#pending.filter((transaction) => !needed.has(transaction));
  }

  #reload(directory: Inode, parent: Inode, seen: Set<Inode>): void {
    seen.add(directory);
    directory.parent = parent;
    directory.links = 1;
    directory.version += 1;
    directory.entries.clear();
    for (const [name, child] of directory.durableEntries) {
      directory.entries.set(name, child);
      if (child.type === "directory") this.#reload(child, directory, seen);
      else {
        child.links = seen.has(child) ? child.links + 1 : 1;
        if (!seen.has(child)) this.used_bytes += contentUse(child.content);
        seen.add(child);
      }
    }
  }
}

/** `8:1`, as the kernel's lists name a device. */
export function deviceText(device: number): string {
  return `${Math.floor(device / 2 ** 20)}:${device % 2 ** 20}`;
}
