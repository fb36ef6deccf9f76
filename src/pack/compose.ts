import { RootloomError } from "../core/error.ts";
import type { LayerDigest, LayerSource, PackInput } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { EntryList } from "./entry-list.ts";
import { compileExcludes, type Excludes } from "./excludes.ts";
import { digestLayer } from "./layer-digest.ts";
import { nameLinkSets } from "./links.ts";
import { mergeOverlay } from "./merge.ts";
import { describeOverlay, overlayLayer } from "./overlay-layer.ts";
import { tarballLayer } from "./tarball-layer.ts";
import { type ReadLayer, readTree } from "./tree-layer.ts";
import type { Layer } from "./types.ts";
import type { UnreadContents } from "./unread.ts";

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
  let entries = base.entries;
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
    overlays.push(describeOverlay(source, overlay));
  }
  const layers = () => [base.digest(), ...overlays];
  return { entries: nameLinkSets(entries), layers, notes, unread: base.unread };
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
      : { name: source.name, entries: overlayAlone(source), notes: [] };
  return { ...layer, digest: () => digestLayer(layer), unread: undefined };
}

function overlayAlone(source: Extract<LayerSource, { readonly type: "overlay" }>): EntryList {
  return mergeOverlay(EntryList.of([]), overlayLayer(source, 0)).entries;
}
