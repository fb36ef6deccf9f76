import { showPath, type TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import { EntryList } from "./entry-list.ts";
import { EntryListBuilder } from "./entry-list-builder.ts";
import { EntryTableBuilder } from "./entry-table.ts";
import type { OverlayLayer } from "./overlay-layer.ts";
import { joinPath, parentOf, sortByPath } from "./paths.ts";
import { resolvePath } from "./resolve.ts";
import type { PackEntry } from "./types.ts";

export interface Merged {
  readonly entries: EntryList;
  readonly notes: readonly string[];
}

/**
 * Lays one overlay over what lies below it, of which nothing is copied. Layers are merged one after another, not all at
 * once: where a path of an overlay leads depends on the symlinks of everything below.
 * @throws RootloomError when a file would stand over a directory or the reverse, or two entries lead to one place.
 */
export function mergeOverlay(lower: EntryList, overlay: OverlayLayer): Merged {
  const { remaining, notes } = applyDeletions(lower, overlay);
  const laid = new EntryTableBuilder();
  /** Of each that is laid, where it belongs in what remains, and where that goes on behind it. */
  const places: { readonly at: number; readonly next: number }[] = [];
  for (const { entry, implicit } of new PathMapper(remaining, overlay).mapAll()) {
    const index = remaining.indexOf(entry.path);
    const below = index < 0 ? undefined : remaining.at(index);
    const result = below === undefined ? entry : layOver(below, entry, implicit, overlay.name);
    if (result === below) continue;
    laid.add(result);
    places.push(index < 0 ? { at: -index - 1, next: -index - 1 } : { at: index, next: index + 1 });
  }
  const upper = EntryList.of(laid.finish());
  const merged = new EntryListBuilder();
  let done = 0;
  for (const [number, { at, next }] of places.entries()) {
    merged.add(remaining, done, at);
    merged.add(upper, number, number + 1);
    done = next;
  }
  merged.add(remaining, done, remaining.length);
  return { entries: merged.finish(), notes };
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

function applyDeletions(lower: EntryList, overlay: OverlayLayer): { remaining: EntryList; notes: readonly string[] } {
  if (overlay.deletions.length === 0) return { remaining: lower, notes: [] };
  const notes: string[] = [];
  const deleted: { readonly from: number; readonly to: number }[] = [];
  for (const path of overlay.deletions) {
    const found = resolvePath(lower, path, false);
    if (found.type === "found" && found.entry && found.path !== "") deleted.push(lower.within(found.path));
    else notes.push(`overlay ${overlay.name} deletes /${showPath(path)}, which is not there`);
  }
  const remaining = new EntryListBuilder();
  let done = 0;
  for (const { from, to } of deleted.sort((one, other) => one.from - other.from)) {
    remaining.add(lower, done, from);
    done = Math.max(done, to);
  }
  remaining.add(lower, done, lower.length);
  return { remaining: remaining.finish(), notes };
}

interface LaidEntry {
  readonly path: TreePath;
  readonly entry: PackEntry;
  readonly implicit: boolean;
}

/** Finds where the paths of an overlay lead when the directory symlinks below it are followed. */
class PathMapper {
  readonly #lower: EntryList;
  readonly #overlay: OverlayLayer;
  readonly #directories = new Map<TreePath, TreePath>([["", ""]]);

  constructor(lower: EntryList, overlay: OverlayLayer) {
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
    const below = this.#lower.find(candidate);
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
