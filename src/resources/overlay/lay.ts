import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { OverlayResource } from "../../core/resource.ts";
import type { TreeHandle } from "../../host/ports.ts";
import type { ApplyContext } from "../types.ts";
import { type Inspection, inspectEntry, isBelow, isOurOwn, shadowedPaths } from "./inspect.ts";
import {
  type LaidDeletion,
  type LaidEntry,
  type LaidList,
  type LaidOverlay,
  type LaidPlace,
  NOTHING_LAID,
  placeOf,
  readLaid,
  writeLaid,
} from "./laid.ts";
import { pendingDeletions } from "./observe.ts";
import { checkedContent, keepOriginal, moveOut } from "./originals.ts";
import { type OwnedEntry, readAccounts, resolveOwners } from "./owners.ts";
import { removeEntry, undoDeletion } from "./remove.ts";

/** Files between two looks at the signal and the event loop. */
const BATCH = 32;

/** One laying, from the open tree to the finished list. */
interface Laying {
  readonly context: ApplyContext;
  readonly resource: OverlayResource;
  readonly place: LaidPlace;
  readonly tree: TreeHandle;
  readonly list: LaidList;
  readonly laid: LaidOverlay;
  readonly entries: readonly OwnedEntry[];
  readonly notes: string[];
}

export interface Laid {
  readonly laid: number;
  readonly removed: number;
  readonly notes: readonly string[];
}

/**
 * Lays exactly `lay` and removes exactly `remove`, each looked at again first: originals are kept, the
 * list is made durable, then each file is replaced by itself.
 */
export async function layInto(
  resource: OverlayResource,
  lay: readonly TreePath[],
  remove: readonly TreePath[],
  context: ApplyContext,
): Promise<Laid> {
  const tree = context.host.files.openTree(resource.treePath);
  try {
    const laying = begin(resource, tree, context);
    if (!laying.laid.finished) sweepTemporaries(laying);
    const deletions = await applyDeletions(laying, remove);
    const removed = await removeLeft(laying, remove, deletions);
    return await layEntries(laying, lay, deletions, removed);
  } finally {
    tree.close();
  }
}

function begin(resource: OverlayResource, tree: TreeHandle, context: ApplyContext): Laying {
  const place = placeOf(resource);
  const list = readLaid(context.host.files, place, context.instance);
  const laid = list.overlays[place.overlay] ?? NOTHING_LAID;
  const shadowed = shadowedPaths(list, place, resource.overlay.order);
  const accounts = readAccounts(tree, `root ${place.tree}`);
  const entries = resolveOwners(resource.overlay.entries, accounts).filter((entry) => !shadowed.has(entry.path));
  return { context, resource, place, tree, list, laid, entries, notes: [] };
}

/** Moves out what the overlay deletes. The list names the move before and after: a kill between them loses nothing. */
async function applyDeletions(laying: Laying, remove: readonly TreePath[]): Promise<readonly LaidDeletion[]> {
  const { context, resource, place, tree, laid, entries, notes } = laying;
  const asked = new Set(remove);
  const kept = laid.deletions.filter(({ path }) => resource.overlay.deletions.includes(path));
  const pending = pendingDeletions(tree, resource.overlay.deletions, entries, laid).filter((path) => asked.has(path));
  const done = new Map(kept.map((deletion) => [deletion.path, deletion]));
  for (const path of pending) {
    const at = tree.resolve(path);
    if (at === undefined || at === "" || isOurOwn(at)) throw new RootloomError(`cannot delete ${showPath(path)}`);
    const original = await context.effect("overlay.move-out", { path: showPath(path) }, () =>
      moveOut(context.host.files, tree, place, at, context.runId.slice(-8)),
    );
    // The first thing that stood there is the original; what came back later is only set aside.
    const first = done.get(path)?.original ?? original;
    done.set(path, { path, original: first });
    notes.push(`${showPath(path)} was deleted; it is kept as ${place.volumePath}/.rootloom/${original.file}`);
    await save(laying, { ...laid, deletions: [...done.values()], finished: false }, "overlay.record-deletion");
  }
  return [...done.values()];
}

/** Removes what left the overlay and returns the paths that are dropped from the list, removed or not. */
async function removeLeft(
  laying: Laying,
  remove: readonly TreePath[],
  deletions: readonly LaidDeletion[],
): Promise<ReadonlySet<TreePath>> {
  const { context, resource, laid } = laying;
  const asked = new Set(remove);
  const declared = new Set(resource.overlay.entries.map((entry) => entry.path));
  const stillDeleted = new Set(deletions.map((deletion) => deletion.path));
  const leaving = laid.entries.filter((entry) => asked.has(entry.path) && !declared.has(entry.path));
  const dropped = new Set(leaving.map((entry) => entry.path));
  const undeleted = laid.deletions.filter(({ path }) => asked.has(path) && !stillDeleted.has(path));
  if (leaving.length + undeleted.length === 0) return dropped;
  await context.effect("overlay.remove-left", { count: leaving.length + undeleted.length }, () => {
    for (const entry of [...leaving].reverse()) removeEntry(laying, entry);
    for (const deletion of undeleted) undoDeletion(laying, deletion);
  });
  return dropped;
}

async function layEntries(
  laying: Laying,
  lay: readonly TreePath[],
  deletions: readonly LaidDeletion[],
  dropped: ReadonlySet<TreePath>,
): Promise<Laid> {
  const { context, resource, tree, laid, entries, notes } = laying;
  const { overlay } = resource;
  const asked = new Set(lay);
  const listed = new Map(laid.entries.map((entry) => [entry.path, entry]));
  const inspector = {
    tree,
    sha256: (path: TreePath) => tree.sha256(path),
    listed,
    finished: laid.finished,
    deletions: overlay.deletions,
  };
  const found = entries.filter((entry) => asked.has(entry.path)).map((entry) => inspectEntry(inspector, entry));
  const refused = found.find((inspection) => inspection.state === "refused");
  if (refused !== undefined) {
    throw new RootloomError(`cannot lay ${showPath(refused.entry.path)}: ${refused.what.join(", ")}`, {
      hint: "list the path in the overlay's `delete` if what stands there may go, or move it by hand",
    });
  }
  const recorded = await context.effect("overlay.keep-originals", { count: found.length }, () =>
    found.map((inspection) => toList(laying, inspection)),
  );
  const paths = new Set(recorded.map((entry) => entry.path));
  const kept = laid.entries.filter((entry) => !paths.has(entry.path) && !dropped.has(entry.path));
  const next = { order: overlay.order, digest: overlay.digest, entries: [...kept, ...recorded], deletions };
  const changing = found.filter((inspection) => inspection.state !== undefined && inspection.state !== "unlisted");
  if (changing.length > 0) {
    await save(laying, { ...next, finished: false }, "overlay.record");
    await context.effect("overlay.lay", { count: changing.length }, () => layAll(laying, changing));
  }
  await save(laying, { ...next, finished: true }, "overlay.finish");
  return { laid: changing.length, removed: dropped.size, notes };
}

async function layAll(laying: Laying, changing: readonly Inspection[]): Promise<void> {
  const { context } = laying;
  for (const [index, inspection] of changing.entries()) {
    if (index % BATCH === 0) {
      context.signal.throwIfAborted();
      context.progress("laying files", index, changing.length);
      await context.host.clock.sleep(0);
    }
    layEntry(laying, inspection);
  }
}

function layEntry(laying: Laying, inspection: Inspection): void {
  const { tree, resource } = laying;
  const { entry, standing } = inspection;
  const { owner, group, mode, type, major, minor } = entry;
  const attributes = { owner, group, mode, modified_s: resource.overlay.sourceDate_s };
  // Its parent may have been laid a moment ago: where it leads is asked again.
  const at = type === "directory" && standing?.type === "directory" ? inspection.at : tree.resolve(entry.path);
  if (at === undefined)
    throw new RootloomError(`cannot lay ${showPath(entry.path)}: its directory is gone`, { retry: "transient" });
  if (type === "directory") {
    if (tree.stat(at) === undefined) tree.makeDirectory(at, attributes);
    else tree.setAttributes(at, { owner, group, mode });
  } else if (type === "symlink") tree.writeLink(at, entry.target, attributes);
  else if (type === "file") {
    tree.writeFile(
      at,
      { bytes: checkedContent(laying.context.host.files, entry.path, entry.content, entry.sha256) },
      attributes,
    );
  } else tree.makeNode(at, { type, major, minor }, attributes);
}

/** The list's line of an entry; keeps the original when something that is not ours stands there. */
function toList(laying: Laying, inspection: Inspection): LaidEntry {
  const { entry, standing, listed, state, at } = inspection;
  const { path, type, mode, owner, group, sha256, target, major, minor } = entry;
  const facts = { path, type, mode, owner, group, sha256, target, major, minor };
  if (listed?.made) return { ...facts, made: true, ...(listed.original && { original: listed.original }) };
  if (standing === undefined) return { ...facts, made: true };
  if (state === undefined || state === "unlisted") return { ...facts, made: laidByAnother(laying, entry) };
  if (laidByAnother(laying, entry)) return { ...facts, made: true };
  const original = keepOriginal(laying.context.host.files, laying.tree, laying.place, at);
  const where = original.file === "" ? "" : ` as ${laying.place.volumePath}/.rootloom/${original.file}`;
  laying.notes.push(`${showPath(path)} was there before; the original is kept${where}`);
  return { ...facts, made: true, original };
}

/** A lower overlay of ours that lies beneath this one keeps the original itself. */
function laidByAnother(laying: Laying, entry: OwnedEntry): boolean {
  return Object.entries(laying.list.overlays).some(
    ([name, laid]) =>
      name !== laying.place.overlay && laid.entries.some((other) => other.path === entry.path && other.made),
  );
}

function save(laying: Laying, laid: LaidOverlay, effect: string): Promise<void> {
  const { context, place } = laying;
  return context.effect(effect, { overlay: place.overlay, tree: place.tree }, () =>
    writeLaid(context.host.files, place, context.instance, laid),
  );
}

/** A kill may have left a file half written beside its place. */
function sweepTemporaries(laying: Laying): void {
  const { tree, entries } = laying;
  for (const entry of entries) {
    if (entry.type !== "directory") continue;
    const at = tree.resolve(`${entry.path}/x`);
    if (at === undefined) continue;
    const directory = at.slice(0, Math.max(0, at.lastIndexOf("/")));
    for (const name of tree.list(directory)) {
      const path = directory === "" ? name : `${directory}/${name}`;
      const ours = /^\.rootloom-new-[0-9a-f]{16}$/.test(name) && isBelow(path, directory);
      if (ours && tree.stat(path)?.type !== "directory") tree.removeFile(path);
    }
  }
}
