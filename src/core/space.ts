/** What is left alone of every filesystem, for notes and directories: bytes. */
export const SPARE_BYTES = 1024 ** 2;

export interface SpaceQuestion {
  readonly free_bytes: number;
  /** What works that run at the same time hold of the same filesystem; they may have used a part of it already. */
  readonly held_bytes: number;
  readonly needed_bytes: number;
}

/** `fits`: now; `wait`: when others are done with what they hold; `full`: not even then. */
export function judgeSpace({ free_bytes, held_bytes, needed_bytes }: SpaceQuestion): "fits" | "wait" | "full" {
  const all_bytes = needed_bytes + SPARE_BYTES;
  if (all_bytes > free_bytes) return "full";
  return all_bytes > free_bytes - held_bytes ? "wait" : "fits";
}

/** How a tarball is compressed: told by its first bytes, since one in the cache is called `KEY.tar` whatever it is. */
export type Compression = "none" | "gzip" | "bzip2" | "zstd" | "xz";

/** First bytes of each, in hex. */
const BEGINNINGS: readonly (readonly [beginning: string, compression: Compression])[] = [
  ["1f8b", "gzip"],
  ["425a68", "bzip2"],
  ["28b52ffd", "zstd"],
  ["fd377a585a00", "xz"],
];

/** How many bytes of a file `compressionOf` looks at. */
export const BEGINNING_BYTES = 6;

/** @param beginning the first bytes of a file, in hex. */
export function compressionOf(beginning: string): Compression {
  return BEGINNINGS.find(([each]) => beginning.startsWith(each))?.[1] ?? "none";
}

/** How much larger than its tarball a root is thought to be, where the tarball does not say. */
const RATIOS: Readonly<Record<Compression, number>> = { none: 1, gzip: 3, bzip2: 4, zstd: 4, xz: 5 };

/** What a tarball takes when it is unpacked, in bytes, by its compression and size alone. */
export function unpackedEstimate_bytes(compression: Compression, size_bytes: number): number {
  return size_bytes * RATIOS[compression];
}

const MIB = 1024 ** 2;
/** The tarball of a bootstrapper, and the directory that it is made in: measured of Debian 12, rounded up. */
const BOOTSTRAPPED_MIB: Readonly<Record<string, number>> = { extract: 64, essential: 256, custom: 64, minbase: 512 };
const PACKAGE_MIB = 16;

/** What bootstrapping a root takes beside the root itself, in bytes. */
export function bootstrapEstimate_bytes(variant: string, packages: number): number {
  return ((BOOTSTRAPPED_MIB[variant] ?? 1024) + packages * PACKAGE_MIB) * MIB;
}

/** What a step inside a root may take, in bytes: something to work with, and the packages that it installs. */
export function provisionEstimate_bytes(packages: number): number {
  return (32 + packages * PACKAGE_MIB) * MIB;
}

/** Of the content of an image, what it is thought to take compressed; the cache of its parts takes as much again. */
export function imageEstimate_bytes(content_bytes: number, codec: string): number {
  return Math.ceil(content_bytes * (codec === "none" ? 1 : 0.6));
}

/** Of what make leaves for one symbol of a kernel that is set: its objects, linked and unlinked. */
const SYMBOL_BYTES = 600 * 1024;
/** With what a debugger reads in them. */
const DEBUG_TIMES = 4;
/** An image that is embedded is in the objects, in vmlinux, beside it without symbols, compressed, and in the kernel. */
const EMBEDDED_TIMES = 5;

/** What building a kernel from nothing takes, in bytes. */
export function kernelEstimate_bytes(kernel: {
  /** Symbols that are y or m. */
  readonly symbols: number;
  readonly isDebug: boolean;
  readonly embedded_bytes: number;
}): number {
  const objects_bytes = kernel.symbols * SYMBOL_BYTES * (kernel.isDebug ? DEBUG_TIMES : 1);
  return objects_bytes + kernel.embedded_bytes * EMBEDDED_TIMES;
}
