import { constants, openSync, readFileSync, realpathSync, statfsSync } from "node:fs";
import { listMounts } from "./namespace.ts";
import { holding } from "./paths.ts";
import { holdsSubvolumes, subvolumeState } from "./subvolume.ts";
import { statDescriptor, syncFilesystemOf, uniqueMountId } from "./system-calls.ts";

const btrfsMagic = 0x9123683e;
/** To write out more takes longer than to walk a tree. */
const unwrittenMax_KiB = 8 << 10;

/**
 * What btrfs says of the state of a tree: its mount (where the kernel can tell it from one that comes to its place), its subvolume,
 * the last transaction that changed that, and the tree's top. What was written is in a transaction only when it is on the disk, so
 * the filesystem is synced first.
 * @returns undefined on other filesystems; where another subvolume or a mount lies in the tree; where much is to be written out.
 * @throws as libc does, where the disk fails.
 */
export function treeGeneration(path: string): string | undefined {
  const directory = openAlone(path);
  return directory === undefined ? undefined : holding(directory, generationOf);
}

/** A tree on btrfs in which nothing is mounted. */
function openAlone(path: string): number | undefined {
  try {
    if (statfsSync(path).type !== btrfsMagic || unwritten_KiB() > unwrittenMax_KiB) return undefined;
    const real = realpathSync.native(path);
    if (listMounts("/proc/self/ns/mnt").some(({ target }) => target.startsWith(`${real}/`))) return undefined;
    return openSync(real, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    return undefined; // whoever walks the tree says what is wrong with it
  }
}

function generationOf(directory: number): string | undefined {
  syncFilesystemOf(directory);
  const state = subvolumeState(directory);
  const { inode } = statDescriptor(directory);
  if (state === undefined || holdsSubvolumes(directory, inode) !== false) return undefined;
  return [uniqueMountId(directory) ?? "-", state.uuid, state.generation, inode].join(" ");
}

/** What all filesystems together have in memory only. */
function unwritten_KiB(): number {
  const memory = readFileSync("/proc/meminfo", "utf8");
  const amount = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(memory)?.[1] ?? "Infinity");
  return amount("Dirty") + amount("Writeback");
}
