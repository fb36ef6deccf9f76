import { isErrno } from "./errno.ts";
import type { Inode } from "./inode.ts";
import { encode } from "./kernel.ts";
import type { MountTable } from "./mount-table.ts";
import { walk } from "./walk.ts";

/** Says, at the price of a few comparisons, whether what stands at some paths may be another than before. */
export interface Follower {
  /** True when a node on the way to one of the paths, or at its end, has changed since `follow`. */
  readonly hasChanged: () => boolean;
  readonly follow: (paths: readonly string[]) => void;
}

/** Follows nothing at first, and then says that it has changed. */
export function createFollower(table: MountTable): Follower {
  let nodes: readonly Inode[] = [];
  let known = -1;
  // Versions only grow: their sum is the same only when each of them is.
  const sum = (): number => nodes.reduce((total, { version }) => total + version, table.version);
  return {
    hasChanged: () => sum() !== known,
    follow: (paths) => {
      const seen = new Set<Inode>();
      for (const path of paths) {
        try {
          walk(table, encode(path), { follow: true, visit: (inode) => seen.add(inode) });
        } catch (thrown) {
          if (!isErrno(thrown)) throw thrown;
        }
      }
      nodes = [...seen];
      known = sum();
    },
  };
}
