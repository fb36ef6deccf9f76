import { askDriver } from "./system-calls.ts";

/**
 * What btrfs tells of the subvolume that an open directory is in. Requests and structures:
 * https://github.com/torvalds/linux/blob/master/include/uapi/linux/btrfs.h
 */

const inodeLookup = 0xd0009412n; // BTRFS_IOC_INO_LOOKUP: tree, inode, and from 16 the path
const subvolumeInfo = 0x81f8943cn; // BTRFS_IOC_GET_SUBVOL_INFO
const subvolumesIn = 0xd000943dn; // BTRFS_IOC_GET_SUBVOL_ROOTREF: where to go on, from 8 pairs of a tree and a directory, their number
const page_bytes = 4_096;
/** Every subvolume's top has this inode number (BTRFS_FIRST_FREE_OBJECTID). */
const topInode = 256n;

export interface SubvolumeState {
  /** 32 digits. */
  readonly uuid: string;
  /** Number of the last transaction that changed anything in it. */
  readonly generation: bigint;
}

/** The id of the subvolume; undefined on other filesystems. */
export function subvolumeId(directory: number): bigint | undefined {
  return lookUp(directory, topInode)?.readBigUInt64LE(0);
}

/** As of the last transaction that was committed; undefined on other filesystems. */
export function subvolumeState(directory: number): SubvolumeState | undefined {
  const info = askDriver(directory, subvolumeInfo, Buffer.alloc(504));
  return info && { uuid: info.toString("hex", 296, 312), generation: info.readBigUInt64LE(280) };
}

/** Whether another subvolume lies below a directory with this inode number: its changes are its own. Undefined where that cannot be told. */
export function holdsSubvolumes(directory: number, inode: number): boolean | undefined {
  const own = pathOf(directory, BigInt(inode));
  const found = askDriver(directory, subvolumesIn, Buffer.alloc(page_bytes));
  if (own === undefined || found === undefined) return undefined;
  const holders = Array.from({ length: found[4_088] ?? 0 }, (_, index) => found.readBigUInt64LE(8 + index * 16 + 8));
  const places = holders.map((holder) => pathOf(directory, holder));
  return places.includes(undefined) ? undefined : places.some((place) => place?.startsWith(own));
}

/** Path of a directory in its subvolume, with a slash behind it; empty for the top. */
function pathOf(directory: number, inode: bigint): string | undefined {
  const found = lookUp(directory, inode);
  return found?.toString("latin1", 16, found.indexOf(0, 16));
}

function lookUp(directory: number, inode: bigint): Buffer | undefined {
  const question = Buffer.alloc(page_bytes);
  question.writeBigUInt64LE(inode, 8);
  return askDriver(directory, inodeLookup, question);
}
