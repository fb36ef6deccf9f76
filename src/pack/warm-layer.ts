import type { LayerDigest, LayerSource, PackInput } from "../host/jobs.ts";
import type { Files } from "../host/ports.ts";
import type { Loss } from "./notes.ts";
import type { Seen } from "./remembered.ts";
import { withoutSnapshot } from "./tree-snapshot.ts";
import type { Layer } from "./types.ts";

/** Entries kept in one thread, all layers together: some 30 MB. Larger trees are scanned again. */
const ENTRIES_MAX = 500_000;

/** A tree as it was when it was last scanned, with every content hashed. */
export interface WarmLayer {
  /**
   * What was seen before and behind the scan: while a walk sees the same, the tree holds the same, but for the parts that had
   * changed just then.
   */
  readonly seen: Seen;
  readonly layer: Layer;
  readonly losses: readonly Loss[];
  readonly digest: LayerDigest;
  /** Whether extended attributes were looked for. */
  readonly attributes: boolean;
}

/**
 * By the question that was asked, the latest last. It spares a daemon the making of entries, never the look at the tree.
 * Each is kept with the files that it was read through, and is gone with them.
 */
const memory = new WeakMap<Files, Map<string, WarmLayer>>();

export function recallLayer(files: Files, question: string, attributes: boolean): WarmLayer | undefined {
  const kept = memory.get(files);
  const found = kept?.get(question);
  if (!kept || !found || (attributes && !found.attributes)) return undefined;
  kept.delete(question);
  kept.set(question, found);
  return found;
}

export function keepLayer(files: Files, question: string, warm: WarmLayer): void {
  const kept = memory.get(files) ?? new Map<string, WarmLayer>();
  memory.set(files, kept);
  kept.delete(question);
  if (warm.layer.entries.length > ENTRIES_MAX) return;
  kept.set(question, warm);
  let entries = [...kept.values()].reduce((sum, { layer }) => sum + layer.entries.length, 0);
  for (const [oldest, { layer }] of kept) {
    if (entries <= ENTRIES_MAX) break;
    kept.delete(oldest);
    entries -= layer.entries.length;
  }
}

/** What is remembered of a tree, and by what: the same excludes leave the same of it. */
export function treeQuestion(source: Extract<LayerSource, { readonly type: "tree" }>, { excludes }: PackInput): string {
  return JSON.stringify([withoutSnapshot(source), excludes]);
}

/** Whether the tree holds what it did. */
export function isSameWhole(known: WarmLayer, seen: Seen): boolean {
  return known.seen.settled && known.seen.digest === seen.digest;
}

/**
 * Whether just this sight was scanned before. The tree need not have been at rest for that: what a pass packs is what it has seen and
 * named, each content that is packed is compared with its hash, and the next pass scans again what may have changed since.
 */
export function isSameWalk(known: WarmLayer, seen: Seen): boolean {
  return seen.walk !== undefined && known.seen.walk === seen.walk && known.seen.digest === seen.digest;
}
