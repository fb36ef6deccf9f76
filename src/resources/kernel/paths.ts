import { posix } from "node:path";

/** Where kernels are unpacked and made, all of it below the cache: it can be deleted at any time. */
export interface BuildPaths {
  readonly folder: string;
  /** What make writes into; nobody's. */
  readonly tree: string;
  /** What make is given: the configuration, and the initramfs that is embedded. */
  readonly input: string;
  /** What the tree was made from, and whether make is at work in it. */
  readonly note: string;
}

export function buildPaths(cache: string, name: string): BuildPaths {
  const folder = posix.join(cache, "kernels", "builds", name);
  const at = (file: string): string => posix.join(folder, file);
  return { folder, tree: at("tree"), input: at("input"), note: at("note.json") };
}

/** Sources that were unpacked and patched, one folder a key, and beside it what it looked like then. */
export function unpackedPaths(
  cache: string,
  key: string,
): { readonly folder: string; readonly top: string; readonly sight: string } {
  const folder = posix.join(cache, "kernels", "sources");
  return { folder, top: posix.join(folder, key), sight: posix.join(folder, `${key}.json`) };
}

export function compilerCachePath(cache: string): string {
  return posix.join(cache, "ccache");
}

/** Where make sees them, whatever their real places: a path that is built in is the same on every host. */
export const INSIDE = {
  source: "/mnt/source",
  build: "/mnt/build",
  input: "/mnt/input",
  ccache: "/mnt/ccache",
} as const;
