import { join } from "node:path";
import type { Discovered } from "./locate.ts";
import type { SourceOptions } from "./types.ts";

/**
 * What to watch for a hint that a new pass may have something to do. Absolute paths, some of which may not
 * exist; each is a folder with all below it, or a file that is replaced by a rename.
 *
 * A checkout: `desired/`, HEAD (a switch of branches, a commit on a detached HEAD) and the refs, loose,
 * packed or as a reftable; those of a linked work tree lie in the main repository. A bare repository: HEAD and refs.
 * A remote: nothing, its interval wakes the pass.
 */
export function watchPaths(options: SourceOptions, discovered: Discovered | undefined): string[] {
  if (options.remote !== undefined) return [];
  const folder = options.repository === undefined ? [options.desired] : [];
  if (options.worktree || discovered === undefined) return folder;
  const { gitDirectory } = discovered;
  const common = gitDirectory.replace(/\/worktrees\/[^/]+$/, "");
  const refs = ["refs", "packed-refs", "reftable"].map((name) => join(common, name));
  return [...folder, join(gitDirectory, "HEAD"), ...refs];
}
