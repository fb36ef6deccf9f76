import { constants, openSync, readFileSync, realpathSync, statfsSync } from "node:fs";
import { listMounts } from "./namespace.ts";
import { holding } from "./paths.ts";
import { holdsSubvolumes, subvolumeState } from "./subvolume.ts";
import { statDescriptor, syncFilesystemOf } from "./system-calls.ts";

const btrfsMagic = 0x9123683e;
/** To write out more takes longer than to walk a tree. */
const unwrittenMax_KiB = 8 << 10;

/**
 * What btrfs says of the state of a tree: its mount (another filesystem may come to its place), its subvolume, the last transaction
 * that changed that, and the tree's top. What was written is in a transaction only when it is on the disk, so the filesystem is
 * synced first.
 * @returns undefined on other filesystems; where another subvolume or a mount lies in the tree; where much is to be written out.
 */
export function treeGeneration(path: string): string | undefined {
  try {
    if (statfsSync(path).type !== btrfsMagic || unwritten_KiB() > unwrittenMax_KiB) return undefined;
    const real = realpathSync.native(path);
    if (listMounts("/proc/self/ns/mnt").some(({ target }) => target.startsWith(`${real}/`))) return undefined;
    return holding(openSync(real, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW), generationOf);
  } catch {
    return undefined; // whoever walks the tree says what is wrong with it
  }
}

function generationOf(directory: number): string | undefined {
  syncFilesystemOf(directory);
  const state = subvolumeState(directory);
  const { inode, mountId } = statDescriptor(directory);
  if (state === undefined || holdsSubvolumes(directory, inode) !== false) return undefined;
  return [mountId, state.uuid, state.generation, inode].join(" ");
}

/** What all filesystems together have in memory only. */
function unwritten_KiB(): number {
  const memory = readFileSync("/proc/meminfo", "utf8");
  const amount = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(memory)?.[1] ?? "Infinity");
  return amount("Dirty") + amount("Writeback");
}
