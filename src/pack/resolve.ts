import type { TreePath } from "../core/entry.ts";
import { joinPath, parentOf } from "./paths.ts";
import type { ManifestEntry } from "./types.ts";

/** The kernel's own limit on symlinks in one look-up. */
const LINKS_MAX = 40;

export type Resolved<E> =
  /** `entry` is undefined when nothing stands at `path`, while its directory does, or is missing too. */
  | { readonly type: "found"; readonly path: TreePath; readonly entry: E | undefined }
  /** A component is a symlink that leads nowhere or in a circle, or is no directory. */
  | { readonly type: "blocked"; readonly at: TreePath; readonly why: string };

/**
 * Follows a path through a sorted list of entries as if chrooted at its top. Symlinks in directories are
 * followed; one in the last place only when `followLast` is set.
 */
export function resolvePath<E extends ManifestEntry>(
  entries: { readonly find: (path: TreePath) => E | undefined },
  path: TreePath,
  followLast: boolean,
): Resolved<E> {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  let here: TreePath = "";
  let links = 0;
  let link: TreePath = "";
  // Names that stand behind the link being followed: as long as there are that many left, the link's own target is walked.
  let behindLink = Number.POSITIVE_INFINITY;
  while (names.length > 0) {
    const name = names.shift() ?? "";
    if (name === "..") {
      here = parentOf(here);
      continue;
    }
    const next = joinPath(here, name);
    const inLink = names.length >= behindLink;
    const entry = entries.find(next);
    const last = names.length === 0;
    if (entry?.type === "symlink" && (!last || followLast)) {
      if (++links > LINKS_MAX) return { type: "blocked", at: next, why: "a symlink that leads in a circle" };
      if (!inLink) {
        link = next;
        behindLink = names.length;
      }
      if (entry.target.startsWith("/")) here = "";
      names.unshift(...entry.target.split("/").filter((part) => part !== "" && part !== "."));
      continue;
    }
    if (!last && entry && entry.type !== "directory") return { type: "blocked", at: next, why: `a ${entry.type}` };
    if (!entry && inLink) return { type: "blocked", at: link, why: "a symlink that leads nowhere" };
    here = next;
    if (!entry) return { type: "found", path: names.reduce(joinPath, here), entry: undefined };
  }
  return { type: "found", path: here, entry: entries.find(here) };
}
