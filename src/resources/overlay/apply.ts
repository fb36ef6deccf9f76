import { recordOf } from "../owned.ts";
import { isAnothers } from "../tree/anothers.ts";
import type { Executor } from "../types.ts";
import { NOTHING_LAID, placeOf, readLaid, writeLaid } from "./laid.ts";
import { layInto } from "./lay.ts";
import { placeOfRecord } from "./observe.ts";
import { openAllowed } from "./open.ts";
import { removeEntry, undoDeletion } from "./remove.ts";

/** Lays the step's own paths, removes the step's own paths, nothing else. */
export const layOverlay: Executor<"overlay.lay"> = async (step, context) => {
  const { resource, lay, remove } = step.arguments;
  const { laid, removed, notes } = await layInto(resource, lay, remove, context);
  const { treePath, volumePath, tree, overlay } = placeOf(resource);
  const record = recordOf(
    resource,
    { runId: context.runId, revision: context.revision, now_ms: context.host.clock.now_ms() },
    { inputs: { overlay: resource.overlay.digest }, details: { treePath, volumePath, tree, overlay } },
  );
  return { record, result: resultOf(laid, removed), notes };
};

/** Removes what we laid and nobody changed since; originals and deleted things come back. */
export const removeOverlay: Executor<"overlay.remove"> = async (step, context) => {
  const { files } = context.host;
  const place = placeOfRecord(step.arguments.record);
  if (files.stat(place.treePath)?.type !== "directory") return { record: undefined, result: "gone with its root" };
  if (isAnothers(place, context)) return { record: undefined, result: "gone with its root: another stands there" };
  const tree = openAllowed(place, context);
  const notes: string[] = [];
  try {
    const laid = readLaid(files, place, context.instance).overlays[place.overlay] ?? NOTHING_LAID;
    await context.effect("overlay.remove-all", { overlay: place.overlay, tree: place.tree }, () => {
      // Deepest first, so that directories are empty when their turn comes.
      const deepestFirst = [...laid.entries].sort((a, b) => (a.path < b.path ? 1 : -1));
      for (const entry of deepestFirst) removeEntry({ context, place, tree, notes }, entry);
      for (const deletion of laid.deletions) undoDeletion({ context, place, tree, notes }, deletion);
    });
    await context.effect("overlay.unlist", { overlay: place.overlay, tree: place.tree }, () =>
      writeLaid(files, place, context.instance, undefined),
    );
    return { record: undefined, result: `removed from ${place.tree}`, notes };
  } finally {
    tree.close();
  }
};

function resultOf(laid: number, removed: number): string {
  const files = (count: number): string => `${count} ${count === 1 ? "path" : "paths"}`;
  if (laid + removed === 0) return "recorded";
  if (removed === 0) return `laid: ${files(laid)}`;
  return `laid: ${files(laid)}, ${files(removed)} left`;
}
