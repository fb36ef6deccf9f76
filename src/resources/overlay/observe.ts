import { showPath, type TreePath } from "../../core/entry.ts";
import { asRootloomError } from "../../core/error.ts";
import type { OverlayResource, OwnedRecord } from "../../core/resource.ts";
import type { Files, TreeHandle } from "../../host/ports.ts";
import { isAnothers } from "../tree/anothers.ts";
import type { ObserveContext, Observer } from "../types.ts";
import { DIFF_LIMIT_BYTES, lineDiff } from "./diff.ts";
import { createHashes } from "./hashes.ts";
import { differences, type EntryState, type Inspection, inspectEntry, isBelow, shadowedPaths } from "./inspect.ts";
import { type LaidEntry, type LaidOverlay, type LaidPlace, NOTHING_LAID, placeOf, readLaid } from "./laid.ts";
import { openAllowed } from "./open.ts";
import { type OwnedEntry, readAccounts, resolveOwners } from "./owners.ts";

export interface ObservedDifference {
  readonly path: TreePath;
  readonly state: EntryState;
  readonly what: readonly string[];
  /** Lines of a diff, or what stands for one; never of a secret overlay. */
  readonly diff: readonly string[];
  /** True when the laid list already has the path exactly as declared: the commit did not change it. */
  readonly declaredAsLaid: boolean;
}

export interface ObservedOverlay {
  readonly tree: "absent" | "present";
  /** Why nothing can be laid: an unknown owner, a damaged or foreign laid list. */
  readonly problem: { readonly message: string; readonly hint: string } | undefined;
  /** Entries that are not as declared, in the overlay's order. */
  readonly differences: readonly ObservedDifference[];
  /** What we laid and the overlay no longer has. */
  readonly leaving: readonly TreePath[];
  /** Paths of the overlay's `delete` that are still there. */
  readonly deletions: readonly TreePath[];
  /** For a removal: how many laid things stand as we laid them, and how many were edited since. */
  readonly laid: { readonly unchanged: number; readonly edited: number };
}

const NOTHING: ObservedOverlay = {
  tree: "present",
  problem: undefined,
  differences: [],
  leaving: [],
  deletions: [],
  laid: { unchanged: 0, edited: 0 },
};

export const overlayObserver: Observer<"overlay"> = {
  observe: (resource, _owned, context) => observeOverlay(resource, context),
  observeRemoved: observeRemovedOverlay,
};

/** Compares every entry of an overlay with the root that it is laid into. */
export async function observeOverlay(resource: OverlayResource, context: ObserveContext): Promise<ObservedOverlay> {
  const { files } = context.host;
  if (files.stat(resource.treePath)?.type !== "directory") return { ...NOTHING, tree: "absent" };
  return orProblem(() => {
    const tree = openAllowed(resource, context);
    try {
      return inspectAll(resource, tree, context);
    } finally {
      tree.close();
    }
  });
}

/** What is left in the root of an overlay whose declaration is gone. */
export async function observeRemovedOverlay(record: OwnedRecord, context: ObserveContext): Promise<ObservedOverlay> {
  const { files } = context.host;
  const place = placeOfRecord(record);
  if (files.stat(place.treePath)?.type !== "directory") return { ...NOTHING, tree: "absent" };
  if (isAnothers(place, context)) return { ...NOTHING, tree: "absent" };
  return orProblem(() => {
    const tree = openAllowed(place, context);
    try {
      const { entries } = laidOf(files, place, context.instance);
      const made = entries.filter((entry) => entry.made && entry.type !== "directory");
      const unchanged = made.filter((entry) => standsAsLaid(tree, entry)).length;
      return { ...NOTHING, laid: { unchanged, edited: made.length - unchanged } };
    } finally {
      tree.close();
    }
  });
}

/** The facts in `record.details` that a removal needs. */
export function placeOfRecord(record: OwnedRecord): LaidPlace {
  const { treePath, volumePath, tree, overlay } = record.details;
  return {
    treePath: String(treePath ?? ""),
    volumePath: String(volumePath ?? ""),
    tree: String(tree ?? ""),
    overlay: String(overlay ?? ""),
  };
}

export function laidOf(files: Files, place: LaidPlace, instance: string): LaidOverlay {
  return readLaid(files, place, instance).overlays[place.overlay] ?? NOTHING_LAID;
}

/** True when a laid thing is there exactly as the list says. */
export function standsAsLaid(tree: TreeHandle, entry: LaidEntry): boolean {
  const at = tree.resolve(entry.path);
  const standing = at === undefined ? undefined : tree.stat(at);
  if (at === undefined || standing === undefined) return false;
  const target = standing.type === "symlink" ? tree.readLink(at) : "";
  return differences(entry, standing, target, () => tree.sha256(at)).length === 0;
}

/** Deletions that still have something to delete; what the overlay itself lays at or below one does not count. */
export function pendingDeletions(
  tree: TreeHandle,
  deletions: readonly TreePath[],
  entries: readonly OwnedEntry[],
  laid: LaidOverlay,
): readonly TreePath[] {
  const done = new Set(laid.deletions.map((deletion) => deletion.path));
  return deletions.filter((deletion) => {
    const at = tree.resolve(deletion);
    const standing = at === undefined ? undefined : tree.stat(at);
    if (standing === undefined) return false;
    const within = entries.filter((entry) => isBelow(entry.path, deletion));
    if (within.length === 0) return true;
    const itself = within.find((entry) => entry.path === deletion);
    const wantsDirectory = itself === undefined || itself.type === "directory";
    if (wantsDirectory) return standing.type !== "directory" || !done.has(deletion);
    return standing.type === "directory";
  });
}

/** What will not go away by itself is part of what was observed. */
function orProblem(look: () => ObservedOverlay): ObservedOverlay {
  try {
    return look();
  } catch (thrown) {
    const error = asRootloomError(thrown);
    if (error.retry !== "terminal") throw error;
    return { ...NOTHING, problem: { message: error.message, hint: error.hint ?? "" } };
  }
}

function inspectAll(resource: OverlayResource, tree: TreeHandle, context: ObserveContext): ObservedOverlay {
  const { files } = context.host;
  const { overlay } = resource;
  const place = placeOf(resource);
  const list = readLaid(files, place, context.instance);
  const laid = list.overlays[place.overlay] ?? NOTHING_LAID;
  const shadowed = shadowedPaths(list, place, overlay.order);
  const accounts = readAccounts(tree, `root ${place.tree}`);
  const entries = resolveOwners(overlay.entries, accounts).filter((entry) => !shadowed.has(entry.path));
  const hashes = createHashes(context, tree, resource.id);
  const listed = new Map(laid.entries.map((entry) => [entry.path, entry]));
  const { deletions } = overlay;
  const inspector = { tree, sha256: hashes.sha256, listed, finished: laid.finished, deletions };
  const inspections = entries.map((entry) => inspectEntry(inspector, entry));
  hashes.save();
  const declared = new Set(overlay.entries.map((entry) => entry.path));
  const deleted = new Set(deletions);
  return {
    ...NOTHING,
    differences: inspections.flatMap((found) => described(found, tree, files, overlay.secret)),
    leaving: [
      ...laid.entries.filter((entry) => !declared.has(entry.path)).map((entry) => entry.path),
      ...laid.deletions.filter((deletion) => !deleted.has(deletion.path)).map((deletion) => deletion.path),
    ],
    deletions: pendingDeletions(tree, deletions, entries, laid).filter((path) => !shadowed.has(path)),
  };
}

function described(found: Inspection, tree: TreeHandle, files: Files, secret: boolean): readonly ObservedDifference[] {
  const { state, what, entry, listed } = found;
  if (state === undefined) return [];
  const declaredAsLaid =
    listed !== undefined &&
    listed.sha256 === entry.sha256 &&
    listed.target === entry.target &&
    listed.mode === entry.mode &&
    listed.owner === entry.owner &&
    listed.group === entry.group;
  return [{ path: entry.path, state, what, diff: diffOf(found, tree, files, secret), declaredAsLaid }];
}

function diffOf(found: Inspection, tree: TreeHandle, files: Files, secret: boolean): readonly string[] {
  const { entry, standing, standingTarget, at, what } = found;
  if (secret || standing === undefined) return [];
  if (what.includes("target")) return [`--> ${showPath(standingTarget)}`, `+-> ${showPath(entry.target)}`];
  if (!what.includes("content") || standing.size > DIFF_LIMIT_BYTES || entry.size > DIFF_LIMIT_BYTES) return [];
  const declared = files.readBytes(entry.content);
  return (declared && lineDiff(tree.read(at), declared)) ?? [];
}
