import { createHash } from "node:crypto";
import type { EntryType, TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { OverlayResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { identityOf, type MarkerIdentity, sameObject } from "../marker.ts";

/** What stood at a path before us. `file` is the copy below `VOLUME/.rootloom/`; empty where attributes say it all. */
export interface Original {
  readonly file: string;
  readonly type: EntryType;
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  readonly modified_s: number;
  readonly target: string;
  readonly major: number;
  readonly minor: number;
}

/** One thing that we laid, as we laid it. */
export interface LaidEntry {
  readonly path: TreePath;
  readonly type: EntryType;
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  readonly sha256: string;
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  /** False when exactly this stood there before us: it is then left when the overlay goes. */
  readonly made: boolean;
  readonly original?: Original;
}

export interface LaidDeletion {
  readonly path: TreePath;
  readonly original?: Original;
}

export interface LaidOverlay {
  readonly order: number;
  readonly digest: string;
  /** False from before the first file is laid until after the last: a kill between them is then no local edit. */
  readonly finished: boolean;
  readonly entries: readonly LaidEntry[];
  readonly deletions: readonly LaidDeletion[];
}

/** `VOLUME/.rootloom/trees/TREE.laid.json`: which files of a root are ours. It is about one tree, by its identity. */
export interface LaidList {
  readonly version: 1;
  readonly instance: string;
  readonly identity: MarkerIdentity;
  readonly overlays: { readonly [overlay: string]: LaidOverlay };
}

/** Where an overlay's facts are kept. */
export interface LaidPlace {
  readonly treePath: string;
  readonly volumePath: string;
  readonly tree: string;
  readonly overlay: string;
}

export const NOTHING_LAID: LaidOverlay = { order: 0, digest: "", finished: true, entries: [], deletions: [] };

export function placeOf(resource: OverlayResource): LaidPlace {
  return {
    treePath: resource.treePath,
    volumePath: resource.volumePath,
    tree: resource.tree.slice("tree/".length),
    overlay: resource.overlay.name,
  };
}

export function laidPath(place: LaidPlace): string {
  return `${place.volumePath}/.rootloom/trees/${place.tree}.laid.json`;
}

/** Relative to `VOLUME/.rootloom/`; the path's digest keeps odd names apart, its last name is for people. */
export function originalName(place: LaidPlace, path: TreePath): string {
  const digest = createHash("sha256").update(`${place.overlay}\0${path}`).digest("hex").slice(0, 16);
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/[^A-Za-z0-9._-]/g, "_");
  return `originals/${place.tree}/${digest}-${name.slice(0, 80)}`;
}

/**
 * The list of the tree that stands there now. One that speaks of another tree (replaced since) or that is
 * not there reads as an empty one.
 * @throws RootloomError when the file is damaged or another installation's.
 */
export function readLaid(files: Files, place: LaidPlace, instance: string): LaidList {
  const identity = identityOf(files, place.treePath);
  const empty: LaidList = { version: 1, instance, identity, overlays: {} };
  const text = files.readText(laidPath(place));
  if (text === undefined) return empty;
  const list = parseList(text, laidPath(place));
  if (!sameObject(list.identity, identity)) return empty;
  if (list.instance !== instance) {
    throw new RootloomError(`cannot lay into ${place.treePath}: another installation's overlays are laid there`, {
      hint: `let that installation remove them, or move ${laidPath(place)} away`,
    });
  }
  return list;
}

/** Replaces one overlay's part, or drops it. Read and written in one go: nothing else runs in between. */
export function writeLaid(files: Files, place: LaidPlace, instance: string, laid: LaidOverlay | undefined): void {
  const list = readLaid(files, place, instance);
  const others = Object.entries(list.overlays).filter(([name]) => name !== place.overlay);
  const overlays = Object.fromEntries(laid === undefined ? others : [...others, [place.overlay, laid]]);
  files.makeDirectories(`${place.volumePath}/.rootloom/trees`, 0o700);
  files.writeFile(laidPath(place), `${JSON.stringify({ ...list, overlays })}\n`, { owner: 0, group: 0, mode: 0o600 });
}

/** True when an overlay that lies beneath this one made what stands at a path: that one keeps the original. */
export function laidByAnother(list: LaidList, place: LaidPlace, path: TreePath): boolean {
  return Object.entries(list.overlays).some(
    ([name, laid]) => name !== place.overlay && laid.entries.some((other) => other.path === path && other.made),
  );
}

function parseList(text: string, path: string): LaidList {
  try {
    const list: LaidList = JSON.parse(text);
    const { inode, filesystem } = list.identity;
    const isWhole = Object.values(list.overlays).every(isLaidOverlay);
    if (list.version === 1 && isWhole && typeof inode === "number" && typeof filesystem === "string") return list;
  } catch {
    // Said below, as for any other damage.
  }
  throw new RootloomError(`cannot read which files are laid: ${path} is damaged`, {
    hint: "restore the file from a backup, or move it away: laid files that differ are then kept as originals",
  });
}

function isLaidOverlay({ order, digest, finished, entries, deletions }: LaidOverlay): boolean {
  const isHead = typeof order === "number" && typeof digest === "string" && typeof finished === "boolean";
  return isHead && entries.every(({ path }) => isInside(path)) && deletions.every(({ path }) => isInside(path));
}

/** What is removed later is named here: a path that leads out was not written by us. */
function isInside(path: TreePath): boolean {
  return path !== "" && !path.split("/").some((name) => name === "" || name === "." || name === "..");
}
