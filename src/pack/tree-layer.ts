import type { TreePath } from "../core/entry.ts";
import type { LayerDigest, LayerSource, PackInput } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import type { Excludes } from "./excludes.ts";
import { digestLayer } from "./layer-digest.ts";
import { lookAtLayer, NOTHING_SEEN } from "./look.ts";
import type { Seen } from "./remembered.ts";
import { type ScanLayerOptions, scanLayer } from "./scan-layer.ts";
import { inTree } from "./tree-snapshot.ts";
import type { Layer } from "./types.ts";
import type { UnreadContents } from "./unread.ts";
import { isSameWalk, isSameWhole, keepLayer, recallLayer, treeQuestion } from "./warm-layer.ts";

type TreeSource = Extract<LayerSource, { readonly type: "tree" }>;

/** A layer whose digest is there when its contents are. */
export interface ReadLayer extends Layer {
  readonly digest: () => LayerDigest;
  readonly unread: UnreadContents | undefined;
}

/**
 * A tree as this thread remembers it, where it looks the same, or was scanned for just this sight; else scanned, but for the parts
 * of it that look the same and were at rest when they were remembered. What of it is scanned is looked at once more, and the whole
 * is remembered where that was as it had been seen before.
 */
export function readTree(
  context: JobContext,
  source: TreeSource,
  input: PackInput,
  options: ScanLayerOptions,
): ReadLayer & { readonly isRemembered: () => boolean } {
  const question = treeQuestion(source, input);
  const seen = seenOf(context, source, input, options);
  const known = recallLayer(context.files, question, options.attributes !== false);
  // A snapshot is one moment: what changes while it is looked at is taken from there.
  if (known && (isSameWhole(known, seen) || (source.snapshot === undefined && isSameWalk(known, seen))))
    return { ...known.layer, digest: () => known.digest, unread: undefined, isRemembered: () => true };
  const parts = known === undefined || source.snapshot ? new Set<TreePath>() : sameParts(known.seen, seen);
  const attributes = options.attributes !== false || (known?.attributes === true && parts.size > 0);
  const kept = known && { entries: known.layer.entries, losses: known.losses, parts };
  const { entries, name, notes, losses, unread } = scanLayer(context, source, { ...options, attributes, kept });
  let isRemembered = false;
  const digest = () => {
    // The one before may have been scanned while somebody was writing: then the scan alone tells what became of it.
    const found = known?.layer.entries.isSameAs(entries) ? known.digest : digestLayer({ name, entries });
    const layer = { name, entries: inTree(entries, source), notes };
    isRemembered = isAsSeen(lookAtLayer(context, source, { excludes: notInto(options.excludes, parts) }), seen, parts);
    if (isRemembered) keepLayer(context.files, question, { seen, layer, losses, digest: found, attributes });
    return found;
  };
  return { entries, name, notes, digest, unread, isRemembered: () => isRemembered };
}

/** What was seen of a tree before any of it was read; of one that is read from a snapshot, before that was taken. */
function seenOf(context: JobContext, source: TreeSource, input: PackInput, options: ScanLayerOptions): Seen {
  if (input.seen !== undefined) return input.seen;
  return source.snapshot === undefined ? lookAtLayer(context, source, options) : NOTHING_SEEN;
}

/** What changed too short a time before it was seen may have changed again since, and look the same. */
function sameParts(before: Seen, now: Seen): ReadonlySet<TreePath> {
  const settled = new Map(before.parts.map((part) => [part.path, part.settled ? part.digest : ""]));
  const same = now.parts.filter(({ path, digest }) => path !== "" && settled.get(path) === digest);
  return new Set(same.map(({ path }) => path));
}

function notInto(excludes: Excludes, parts: ReadonlySet<TreePath>): Excludes {
  return { ...excludes, coversContents: (path) => parts.has(path) || excludes.coversContents(path) };
}

/** Whether all but these parts looks as it did. */
function isAsSeen(now: Seen, seen: Seen, leftOut: ReadonlySet<TreePath>): boolean {
  const before = seen.parts.filter(({ path }) => !leftOut.has(path));
  const isSame = now.parts.every(({ path, digest }, at) => before[at]?.path === path && before[at].digest === digest);
  return isSame && before.length === now.parts.length && before.length > 0;
}
