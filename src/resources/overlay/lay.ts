import type { EffectName } from "../../core/effect.ts";
import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { OverlayResource } from "../../core/resource.ts";
import type { TreeHandle } from "../../host/ports.ts";
import type { ApplyContext } from "../types.ts";
import { type Inspection, inspectEntry, isOurOwn, shadowedPaths } from "./inspect.ts";
import {
  type LaidDeletion,
  type LaidEntry,
  type LaidList,
  type LaidOverlay,
  type LaidPlace,
  laidByAnother,
  NOTHING_LAID,
  placeOf,
  readLaid,
  writeLaid,
} from "./laid.ts";
import { layEntry } from "./lay-entry.ts";
import { pendingDeletions } from "./observe.ts";
import { openAllowed, sweepTemporaries } from "./open.ts";
import { keepOriginal, moveOut } from "./originals.ts";
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
  const tree = openAllowed(resource, context);
  try {
    const laying = begin(resource, tree, context);
    if (!laying.laid.finished) sweepTemporaries(tree, laying.entries);
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
    const missed = await context.effect("overlay.lay", { count: changing.length }, () => layAll(laying, changing));
    if (missed.length > 0) await giveBack(laying, next, missed);
  }
  await save(laying, { ...next, finished: true }, "overlay.finish");
  return { laid: changing.length, removed: dropped.size, notes };
}

/** Returns what it left alone: what was not looked at, and not kept, is never laid over. */
async function layAll(laying: Laying, changing: readonly Inspection[]): Promise<readonly TreePath[]> {
  const { context, tree } = laying;
  const missed: TreePath[] = [];
  for (const [index, inspection] of changing.entries()) {
    if (index % BATCH === 0) {
      context.signal.throwIfAborted();
      context.progress("laying files", index, changing.length);
      await context.host.clock.sleep(0);
    }
    const { entry, standing } = inspection;
    const at = entry.type === "directory" ? undefined : tree.resolve(entry.path);
    if (at !== undefined && tree.stat(at)?.stamp !== standing?.stamp) missed.push(entry.path);
    else layEntry(tree, inspection, laying.resource.overlay.sourceDate_s, context.host.files);
  }
  return missed;
}

/** What was left alone is listed as it was before, so that the next pass takes it for what it is. */
async function giveBack(
  laying: Laying,
  next: Omit<LaidOverlay, "finished">,
  missed: readonly TreePath[],
): Promise<never> {
  const isMissed = ({ path }: LaidEntry): boolean => missed.includes(path);
  const entries = [...next.entries.filter((entry) => !isMissed(entry)), ...laying.laid.entries.filter(isMissed)];
  await save(laying, { ...next, entries, finished: true }, "overlay.give-back");
  throw new RootloomError(`cannot lay ${missed.map(showPath).join(", ")}: changed just now by somebody else`, {
    hint: "the next pass looks again",
    retry: "transient",
  });
}

/** The list's line of an entry; keeps the original when something that is not ours stands there. */
function toList(laying: Laying, inspection: Inspection): LaidEntry {
  const { entry, standing, listed, state, at } = inspection;
  const { path, type, mode, owner, group, sha256, target, major, minor } = entry;
  const facts = { path, type, mode, owner, group, sha256, target, major, minor };
  if (listed?.made) return { ...facts, made: true, ...(listed.original && { original: listed.original }) };
  if (standing === undefined) return { ...facts, made: true };
  if (state === undefined || state === "unlisted")
    return { ...facts, made: laidByAnother(laying.list, laying.place, path) };
  if (laidByAnother(laying.list, laying.place, path)) return { ...facts, made: true };
  const original = keepOriginal(laying.context.host.files, laying.tree, laying.place, at);
  const where = original.file === "" ? "" : ` as ${laying.place.volumePath}/.rootloom/${original.file}`;
  laying.notes.push(`${showPath(path)} was there before; the original is kept${where}`);
  return { ...facts, made: true, original };
}

function save(laying: Laying, laid: LaidOverlay, effect: EffectName): Promise<void> {
  const { context, place } = laying;
  return context.effect(effect, { overlay: place.overlay, tree: place.tree }, () =>
    writeLaid(context.host.files, place, context.instance, laid),
  );
}
