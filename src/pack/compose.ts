import { createHash } from "node:crypto";
import { RootloomError } from "../core/error.ts";
import type { JobMap, LayerDigest, LayerSource, PackInput } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { EntryList } from "./entry-list.ts";
import { EntryTable } from "./entry-table.ts";
import { compileExcludes, type Excludes } from "./excludes.ts";
import { nameLinkSets } from "./links.ts";
import { lookAtLayer, NOTHING_SEEN } from "./look.ts";
import { formatEntry } from "./manifest.ts";
import { mergeOverlay } from "./merge.ts";
import { digestOverlay, overlayLayer } from "./overlay-layer.ts";
import { remembered, type Seen } from "./remembered.ts";
import { type ScanLayerOptions, scanLayer } from "./scan-layer.ts";
import { tarballLayer } from "./tarball-layer.ts";
import { inTree, withoutSnapshot } from "./tree-snapshot.ts";
import type { Layer } from "./types.ts";
import type { UnreadContents } from "./unread.ts";
import { keepLayer, recallLayer } from "./warm-layer.ts";

type TreeSource = Extract<LayerSource, { readonly type: "tree" }>;

/** What an image will hold: one list, sorted by `comparePaths`, the top first. */
export interface Composition {
  readonly entries: EntryList;
  readonly layers: readonly LayerDigest[];
  readonly notes: readonly string[];
}

export interface ComposeOptions {
  /** Looks for extended attributes, to say which an archive loses. */
  readonly attributes: boolean;
}

/** As `Composition`, while contents of the lowest layer may still have to be read. */
export interface UnreadComposition extends Omit<Composition, "layers"> {
  readonly unread: UnreadContents | undefined;
  /** To be asked for when every content was read. */
  readonly layers: () => readonly LayerDigest[];
}

/**
 * Reads all layers and merges them from the lowest up. The image's own nodes lie directly over the
 * lowest layer, so that an overlay has the last word on them too.
 */
export async function compose(context: JobContext, input: PackInput, options: ComposeOptions): Promise<Composition> {
  const { entries, notes, layers } = await composeUnread(context, input, options);
  return { entries, notes, layers: layers() };
}

/** As `compose`; with `later`, whoever packs reads the contents that no cache knows. */
export async function composeUnread(
  context: JobContext,
  input: PackInput,
  options: ComposeOptions & { readonly later?: boolean },
): Promise<UnreadComposition> {
  const [lowest, ...upper] = input.layers;
  if (!lowest) throw new RootloomError("cannot pack: the image has no layers", { hint: "give it a root" });
  const excludes = compileExcludes(input.excludes);
  const base = await readLayer(context, lowest, input, excludes, options);
  const overlays: LayerDigest[] = [];
  const notes = [...base.notes];
  let entries = EntryList.of(base.entries);
  const nodes = { name: "nodes", entries: input.nodes, deletions: [], sourceDate_s: input.sourceDate_s };
  if (nodes.entries.length > 0) entries = mergeOverlay(entries, overlayLayer(nodes, 1)).entries;
  for (const [index, source] of upper.entries()) {
    if (source.type !== "overlay") {
      throw new RootloomError(`cannot pack: layer ${source.name} is a ${source.type} and not the lowest layer`);
    }
    const overlay = overlayLayer(source, index + 2);
    const merged = mergeOverlay(entries, overlay);
    entries = merged.entries;
    notes.push(...merged.notes);
    overlays.push(describeOverlay(source, digestOverlay(overlay)));
  }
  const layers = () => [base.digest(), ...overlays];
  return { entries: nameLinkSets(entries), layers, notes, unread: base.unread };
}

/** Digests of the layers alone: no merge. */
export async function digestLayers(
  context: JobContext,
  input: JobMap["layers"]["input"],
): Promise<JobMap["layers"]["output"]> {
  const excludes = compileExcludes(input.excludes);
  const digests: JobMap["layers"]["output"][number][] = [];
  for (const [index, source] of input.layers.entries()) {
    if (source.type === "overlay")
      digests.push(describeOverlay(source, digestOverlay(overlayLayer(source, index + 1))));
    else if (source.type === "tree") digests.push(digestTree(context, source, input, excludes));
    else digests.push((await readLayer(context, source, input, excludes, { attributes: false })).digest());
  }
  return digests;
}

/** A tree that looks as it did has the digest that it had. */
function digestTree(
  context: JobContext,
  source: TreeSource,
  input: JobMap["layers"]["input"],
  excludes: Excludes,
): JobMap["layers"]["output"][number] {
  const options = { cache: input.cache, excludes, asItIs: false, attributes: false };
  const look = input.looked ?? lookAtLayer(context, source, options);
  const seen = look.settled ? look : undefined;
  const warm = recallLayer(context.files, treeQuestion(source, input), look.digest, false);
  if (warm) return { ...warm.digest, seen };
  const question = { what: "layer", version: 2, ...source, excludes: input.excludes };
  const answer = remembered(context, input.cache, question, look, {
    answer: () => digestLayer(scanLayer(context, source, options)),
    look: () => lookAtLayer(context, source, options),
  });
  return { ...answer, seen };
}

function treeQuestion(source: TreeSource, { excludes }: PackInput): string {
  return JSON.stringify([withoutSnapshot(source), excludes]);
}

/** A layer whose digest is there when its contents are. */
interface ReadLayer extends Layer {
  readonly digest: () => LayerDigest;
  readonly unread: UnreadContents | undefined;
}

/** A tree as this thread remembers it, where it looks the same, else scanned. */
function readTree(context: JobContext, source: TreeSource, input: PackInput, options: ScanLayerOptions): ReadLayer {
  const question = treeQuestion(source, input);
  const attributes = options.attributes !== false;
  const seen = seenOf(context, source, input, options);
  const warm = recallLayer(context.files, question, seen.digest, attributes);
  if (warm) return { ...warm.layer, digest: () => warm.digest, unread: undefined };
  const { entries, name, notes, unread } = scanLayer(context, source, options);
  const digest = () => {
    const found = digestLayer({ name, entries, notes });
    // As it is now that all of it was read, and as it was before: the same.
    if (seen.settled && lookAtLayer(context, source, options).digest === seen.digest)
      keepLayer(context.files, question, {
        seen: seen.digest,
        layer: { name, entries: inTree(entries, source), notes },
        digest: found,
        attributes,
      });
    return found;
  };
  return { entries, name, notes, digest, unread };
}

/** What was seen of a tree before any of it was read; of one that is read from a snapshot, before that was taken. */
function seenOf(context: JobContext, source: TreeSource, input: PackInput, options: ScanLayerOptions): Seen {
  if (input.seen !== undefined) return input.seen;
  return source.snapshot === undefined ? lookAtLayer(context, source, options) : NOTHING_SEEN;
}

async function readLayer(
  context: JobContext,
  source: LayerSource,
  input: PackInput,
  excludes: Excludes,
  options: ComposeOptions & { readonly later?: boolean },
): Promise<ReadLayer> {
  if (source.type === "tree")
    return readTree(context, source, input, { cache: input.cache, excludes, asItIs: false, ...options });
  const layer: Layer =
    source.type === "tarball"
      ? await tarballLayer(context, source, input.cache, excludes)
      : { name: source.name, entries: EntryTable.of(overlayAlone(source)), notes: [] };
  return { ...layer, digest: () => digestLayer(layer), unread: undefined };
}

function overlayAlone(source: Extract<LayerSource, { readonly type: "overlay" }>): EntryList {
  return mergeOverlay(EntryList.of([]), overlayLayer(source, 0)).entries;
}

function digestLayer(layer: Layer): LayerDigest {
  const digest = createHash("sha256");
  let size_bytes = 0;
  let lines = "";
  const entries = nameLinkSets(EntryList.of(layer.entries));
  for (const entry of entries) {
    size_bytes += entry.size;
    lines += `${formatEntry(entry)}\n`;
    if (lines.length > 1 << 20) {
      digest.update(lines, "latin1");
      lines = "";
    }
  }
  digest.update(lines, "latin1");
  return { name: layer.name, digest: digest.digest("hex"), entries: entries.length, size_bytes };
}

function describeOverlay(source: Extract<LayerSource, { readonly type: "overlay" }>, digest: string): LayerDigest {
  const size_bytes = source.entries.reduce((sum, entry) => sum + (entry.type === "file" ? entry.size : 0), 0);
  return { name: source.name, digest, entries: source.entries.length, size_bytes };
}
