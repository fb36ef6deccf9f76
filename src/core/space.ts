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

/** How much larger than its tarball a root is thought to be, where the tarball does not say: by the end of its name. */
const RATIOS: readonly (readonly [ending: RegExp, ratio: number])[] = [
  [/\.t?xz$/, 5],
  [/\.t?zst$/, 4],
  [/\.(bz2|tbz2?)$/, 4],
  [/\.t?gz$/, 3],
];

/** What a tarball takes when it is unpacked, in bytes, by its name and size alone. */
export function unpackedEstimate_bytes(name: string, size_bytes: number): number {
  return size_bytes * (RATIOS.find(([ending]) => ending.test(name))?.[1] ?? 1);
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
