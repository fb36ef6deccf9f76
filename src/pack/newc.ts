import { type Entry, type EntryType, showPath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";

/** The "new" portable cpio format, as the kernel's init/initramfs.c reads it. */
export const HEADER_BYTES = 110;
/** PATH_MAX, and the NUL at the end counts: the kernel skips longer names without a word. */
export const NAME_BYTES_MAX = 4095;
const WORD_MAX = 0xffff_ffff;
export const TRAILER = "TRAILER!!!";

export const TYPE_BITS: Readonly<Record<EntryType, number>> = {
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
};

/** What a header says beside the entry itself. */
export interface Placement {
  readonly inode: number;
  /** Names of the hard link set in the archive; 1 for all else. */
  readonly links: number;
  /** Both 32 bit; together they keep the inode numbers of segments apart. */
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Bytes of content that follow: 0 for all names of a hard link set but the last. */
  readonly content_bytes: number;
}

export function align4(bytes: number): number {
  return (bytes + 3) & ~3;
}

/** Name in the archive: the top is `.`, and a file that is called like the end of an archive goes by a longer name. */
export function archiveName(path: string): string {
  if (path === "") return ".";
  return path === TRAILER ? `./${TRAILER}` : path;
}

/** Bytes that an entry takes with its padding; a multiple of 4. Content may be 4 GiB, so no bit operations on it. */
export function entryBytes(entry: Entry, content_bytes: number): number {
  return align4(HEADER_BYTES + archiveName(entry.path).length + 1) + Math.ceil(content_bytes / 4) * 4;
}

/** What follows the name: a file's content, a symlink's target, else nothing. */
export function contentBytes(entry: Entry): number {
  return entry.type === "file" || entry.type === "symlink" ? entry.size : 0;
}

/** What an entry has of something, and how much of it the format holds: whole numbers from 0. */
const LIMITS: readonly (readonly [string, (entry: Entry) => number, number])[] = [
  ["its path is longer than 4095 bytes", ({ path }) => archiveName(path).length, NAME_BYTES_MAX],
  ["it is 4 GiB or larger", ({ size }) => size, WORD_MAX],
  ["its owner is no 32-bit number", ({ owner }) => owner, WORD_MAX],
  ["its group is no 32-bit number", ({ group }) => group, WORD_MAX],
  ["its time is before 1970 or after 2106", ({ modified_s }) => modified_s, WORD_MAX],
  ["its device number is too large", ({ major, minor }) => Math.max(major, minor), WORD_MAX],
  ["its symlink target is longer than 4095 bytes", ({ target }) => target.length, NAME_BYTES_MAX],
];

/** @throws RootloomError that names the path and the limit of the format it is beyond. */
export function checkLimits(entry: Entry): void {
  for (const [what, figureOf, max] of LIMITS) {
    const value = figureOf(entry);
    if (Number.isInteger(value) && value >= 0 && value <= max) continue;
    throw new RootloomError(`cannot pack /${showPath(entry.path)}: ${what}, which a cpio archive cannot hold`, {
      hint: "leave it out by spec.exclude, or change it in the root",
    });
  }
}

/**
 * Writes header and name, with padding, at `offset`; returns the offset behind. A symlink's target is
 * content and is left to the caller.
 */
export function writeHeader(into: Uint8Array, offset: number, entry: Entry, placement: Placement): number {
  const device = entry.type === "character" || entry.type === "block";
  const fields = [
    placement.inode,
    TYPE_BITS[entry.type] | entry.mode,
    entry.owner,
    entry.group,
    placement.links,
    entry.modified_s,
    placement.content_bytes,
    placement.deviceMajor,
    placement.deviceMinor,
    device ? entry.major : 0,
    device ? entry.minor : 0,
    archiveName(entry.path).length + 1,
    0,
  ];
  return writeFields(into, offset, fields, archiveName(entry.path));
}

/** The one entry that ends an archive. */
export function trailer(): Uint8Array {
  const bytes = new Uint8Array(align4(HEADER_BYTES + TRAILER.length + 1));
  writeFields(bytes, 0, [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, TRAILER.length + 1, 0], TRAILER);
  return bytes;
}

function writeFields(into: Uint8Array, offset: number, fields: readonly number[], name: string): number {
  let position = writeText(into, offset, "070701");
  for (const value of fields) {
    for (let shift = 28; shift >= 0; shift -= 4) {
      const digit = (value >>> shift) & 15;
      into[position++] = digit < 10 ? 48 + digit : 87 + digit;
    }
  }
  position = writeText(into, position, name);
  const end = offset + align4(position + 1 - offset);
  into.fill(0, position, end);
  return end;
}

/** One byte a character. */
export function writeText(into: Uint8Array, offset: number, text: string): number {
  for (let index = 0; index < text.length; index++) into[offset + index] = text.charCodeAt(index);
  return offset + text.length;
}
