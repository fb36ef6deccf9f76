import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { EntryType } from "../../core/entry.ts";
import type { FileStat } from "../ports.ts";
import { type Content, contentSize } from "./content.ts";
import type { FileSystem } from "./file-system.ts";

/** Attributes and content as they would be read after a power loss. */
export interface DurableInode {
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  readonly modified_ms: number;
  readonly content: Content;
}

/** One node of a file system in memory. Names are one byte a character, as in a TreePath. */
export interface Inode {
  readonly number: number;
  readonly fileSystem: FileSystem;
  readonly type: EntryType;
  mode: number;
  owner: number;
  group: number;
  modified_ms: number;
  changed_ms: number;
  /** Names that lead here; a directory counts as one. */
  links: number;
  content: Content;
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  readonly entries: Map<string, Inode>;
  /** What the entries of a directory are on the disk. */
  readonly durableEntries: Map<string, Inode>;
  /** Directory that holds a directory; the top of a file system holds itself. */
  parent: Inode | undefined;
  readonly extendedAttributes: Set<string>;
  durable: DurableInode;
  /** Grows with each change of attributes, content or entries. */
  version: number;
  /** The store whose file this is: it moves with the file, and is gone when somebody else writes the content. */
  database: FakeDatabase | undefined;
}

/** A store in memory. The statements are held beside it, not by it: they hold it in their turn, outside the collector's sight. */
export interface FakeDatabase {
  readonly connection: DatabaseSync;
  readonly statements: Map<string, StatementSync>;
  readonly content: Content;
}

export function durableState(inode: Inode): DurableInode {
  const { mode, owner, group, modified_ms, content } = inode;
  return { mode, owner, group, modified_ms, content };
}

export function inodeSize(inode: Inode): number {
  if (inode.type === "file") return contentSize(inode.content);
  if (inode.type === "symlink") return inode.target.length;
  return 0;
}

export function inodeStat(inode: Inode): FileStat {
  const size = inodeSize(inode);
  return {
    type: inode.type,
    mode: inode.mode,
    owner: inode.owner,
    group: inode.group,
    size,
    modified_s: Math.floor(inode.modified_ms / 1000),
    inode: inode.number,
    born: "", // Numbers are never given twice here.
    device: inode.fileSystem.device,
    links: inode.type === "directory" ? 2 + countDirectories(inode) : inode.links,
    major: inode.major,
    minor: inode.minor,
    stamp: `${inode.number}-${size}-${inode.modified_ms}-${inode.changed_ms}`,
    changed_ms: inode.changed_ms,
  };
}

function countDirectories(inode: Inode): number {
  let count = 0;
  for (const child of inode.entries.values()) if (child.type === "directory") count += 1;
  return count;
}
