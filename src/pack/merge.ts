import { showPath, type TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { OverlayLayer } from "./overlay-layer.ts";
import { comparePaths, findPath, isWithin, joinPath, parentOf, sortByPath } from "./paths.ts";
import { resolvePath } from "./resolve.ts";
import type { PackEntry } from "./types.ts";

export interface Merged {
  readonly entries: PackEntry[];
  readonly notes: readonly string[];
}

/**
 * Lays one overlay over what lies below it. Layers are merged one after another, not all at once: where
 * a path of an overlay leads depends on the symlinks of everything below. Both lists are sorted by `comparePaths`.
 * @throws RootloomError when a file would stand over a directory or the reverse, or two entries lead to one place.
 */
export function mergeOverlay(lower: readonly PackEntry[], overlay: OverlayLayer): Merged {
  const { remaining, notes } = applyDeletions(lower, overlay);
  const laid = new PathMapper(remaining, overlay).mapAll();
  const entries: PackEntry[] = [];
  let next = 0;
  for (const { entry, implicit } of laid) {
    for (; next < remaining.length; next++) {
      const below = remaining[next];
      if (!below || comparePaths(below.path, entry.path) >= 0) break;
      entries.push(below);
    }
    const below = remaining[next];
    if (below?.path === entry.path) {
      next++;
      entries.push(layOver(below, entry, implicit, overlay.name));
    } else {
      entries.push(entry);
    }
  }
  for (; next < remaining.length; next++) entries.push(remaining[next] as PackEntry);
  return { entries, notes };
}

/** A directory keeps its place in the archive, and its attributes too where the overlay only passes through. */
function layOver(below: PackEntry, entry: PackEntry, implicit: boolean, overlay: string): PackEntry {
  const belowIsDirectory = below.type === "directory";
  if (belowIsDirectory !== (entry.type === "directory")) {
    throw new RootloomError(
      `cannot lay ${overlay}: /${showPath(entry.path)} is a ${entry.type} in it and a ${below.type} below it`,
      { hint: `list ${showPath(entry.path)} in the overlay's spec.delete if it is to give way` },
    );
  }
  if (!belowIsDirectory) return entry;
  return implicit ? below : { ...entry, place: below.place };
}

function applyDeletions(
  lower: readonly PackEntry[],
  overlay: OverlayLayer,
): { readonly remaining: readonly PackEntry[]; readonly notes: readonly string[] } {
  if (overlay.deletions.length === 0) return { remaining: lower, notes: [] };
  const notes: string[] = [];
  const deletions = new Set<TreePath>();
  for (const path of overlay.deletions) {
    const found = resolvePath(lower, path, false);
    if (found.type === "found" && found.entry && found.path !== "") deletions.add(found.path);
    else notes.push(`overlay ${overlay.name} deletes /${showPath(path)}, which is not there`);
  }
  let removing: TreePath | undefined;
  const remaining = lower.filter((entry) => {
    if (removing !== undefined && isWithin(entry.path, removing)) return false;
    removing = deletions.has(entry.path) ? entry.path : undefined;
    return removing === undefined;
  });
  return { remaining, notes };
}

interface LaidEntry {
  readonly path: TreePath;
  readonly entry: PackEntry;
  readonly implicit: boolean;
}

/** Finds where the paths of an overlay lead when the directory symlinks below it are followed. */
class PathMapper {
  readonly #lower: readonly PackEntry[];
  readonly #overlay: OverlayLayer;
  readonly #directories = new Map<TreePath, TreePath>([["", ""]]);

  constructor(lower: readonly PackEntry[], overlay: OverlayLayer) {
    this.#lower = lower;
    this.#overlay = overlay;
  }

  mapAll(): LaidEntry[] {
    const laid = this.#overlay.entries.map((entry): LaidEntry => {
      const path = entry.type === "directory" ? this.#mapDirectory(entry.path) : this.#mapName(entry.path);
      const implicit = this.#overlay.implicit.has(entry.path);
      return { path, entry: path === entry.path ? entry : { ...entry, path }, implicit };
    });
    return this.#joinDirectories(sortByPath(laid));
  }

  #mapName(path: TreePath): TreePath {
    return joinPath(this.#mapDirectory(parentOf(path)), path.slice(path.lastIndexOf("/") + 1));
  }

  #mapDirectory(path: TreePath): TreePath {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const candidate = this.#mapName(path);
    const below = this.#lower[findPath(this.#lower, candidate)];
    const mapped = below?.type === "symlink" ? this.#follow(path, candidate) : candidate;
    this.#directories.set(path, mapped);
    return mapped;
  }

  #follow(path: TreePath, link: TreePath): TreePath {
    const found = resolvePath(this.#lower, link, true);
    if (found.type === "found" && (found.path === "" || found.entry?.type === "directory")) return found.path;
    const why = found.type === "blocked" ? found.why : `a symlink to a ${found.entry?.type ?? "missing directory"}`;
    throw new RootloomError(
      `cannot lay ${this.#overlay.name}: /${showPath(path)} is a directory in it and ${why} below it`,
      { hint: `list ${showPath(path)} in the overlay's spec.delete if it is to give way` },
    );
  }

  /** `bin/` and `usr/bin/` of one overlay can be one directory; any other two entries in one place are an error. */
  #joinDirectories(laid: readonly LaidEntry[]): LaidEntry[] {
    const joined: LaidEntry[] = [];
    for (const each of laid) {
      const before = joined.at(-1);
      if (before?.path !== each.path) {
        joined.push(each);
      } else if (
        each.entry.type === "directory" &&
        before.entry.type === "directory" &&
        (each.implicit || before.implicit)
      ) {
        if (before.implicit) joined[joined.length - 1] = each;
      } else {
        throw new RootloomError(
          `cannot lay ${this.#overlay.name}: two of its entries lead to /${showPath(each.path)}`,
          { hint: "a directory symlink below the overlay joins the two; keep one of them" },
        );
      }
    }
    return joined;
  }
}
