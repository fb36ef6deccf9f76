import { type Entry, showPath } from "../core/entry.ts";
import { type Difference, differences, whatDiffers, whatDiffersAtAll } from "../pack/differences.ts";
import type { ManifestEntry } from "../pack/types.ts";
import { painter, type Style, sizeText, type TextOptions, table } from "./paint.ts";

/** What differs between two images, with what it comes to. */
export interface ImageDifference {
  readonly differences: readonly Difference<ManifestEntry>[];
  readonly totals: Totals;
  /** By the layer that the entries came from: of an added or changed one the newer. */
  readonly layers: ReadonlyMap<string, Totals>;
}

interface Totals {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** Bytes of content that the newer one has more, below 0: fewer. */
  readonly growth_bytes: number;
}

const NOTHING: Totals = { added: 0, removed: 0, changed: 0, growth_bytes: 0 };

/** Compares two lists that are sorted by `comparePaths`. `all`: times and hard links count, too. */
export function compareImages(
  before: Iterable<ManifestEntry>,
  after: Iterable<ManifestEntry>,
  { all }: { readonly all: boolean },
): ImageDifference {
  const found: Difference<ManifestEntry>[] = [];
  const layers = new Map<string, Totals>();
  let totals = NOTHING;
  for (const each of differences(before, after, all ? whatDiffersAtAll : whatDiffers)) {
    found.push(each);
    totals = counted(totals, each);
    const layer = layerOf(each);
    layers.set(layer, counted(layers.get(layer) ?? NOTHING, each));
  }
  return { differences: found, totals, layers };
}

/** Bytes that an entry adds to an image's content: all names of a hard link set share one content. */
export function contentBytesOf(entry: Entry | undefined): number {
  if (entry?.type !== "file") return 0;
  return entry.linkSet === "" || entry.linkSet === entry.path ? entry.size : 0;
}

/** `rootloom diff --json`. */
export function imageDiffJson(
  found: ImageDifference,
  names: { readonly before: string; readonly after: string },
): object {
  return {
    ...names,
    totals: found.totals,
    layers: Object.fromEntries(found.layers),
    differences: found.differences.map(({ path, change, what, before, after }) => ({
      path: showPath(path),
      change,
      what,
      layer: (after ?? before)?.layer ?? "",
      before: before === undefined ? null : sideJson(before),
      after: after === undefined ? null : sideJson(after),
    })),
  };
}

const MARKS: Readonly<Record<Difference<Entry>["change"], readonly [string, Style]>> = {
  added: ["+", "green"],
  removed: ["-", "red"],
  changed: ["~", "yellow"],
};

/** `rootloom diff`: a line a path, then sums by layer. */
export function imageDiffText(
  found: ImageDifference,
  names: { readonly before: string; readonly after: string },
  options: TextOptions,
): string {
  const paint = painter(options.color);
  if (found.differences.length === 0) return `${names.before} and ${names.after} hold the same\n`;
  const lines = found.differences.map((each) => {
    const [mark, style] = MARKS[each.change];
    const what = each.change === "changed" ? ` (${each.what})` : "";
    return `${paint(style, `${mark} /${showPath(each.path)}`)}${what}  ${paint("dim", `${sizesOf(each)}${layerOf(each)}`)}`;
  });
  const sums = [...found.layers].map(([layer, totals]) => [layer, totalsText(totals)]);
  return `${[
    `--- ${names.before}`,
    `+++ ${names.after}`,
    ...lines,
    paint("bold", totalsText(found.totals)),
    ...table(sums, { ...options, indent: 2 }),
  ].join("\n")}\n`;
}

function layerOf({ before, after }: Difference<ManifestEntry>): string {
  return (after ?? before)?.layer ?? "";
}

function counted(totals: Totals, { change, before, after }: Difference<ManifestEntry>): Totals {
  const growth_bytes = totals.growth_bytes + contentBytesOf(after) - contentBytesOf(before);
  return { ...totals, [change]: totals[change] + 1, growth_bytes };
}

function totalsText({ added, removed, changed, growth_bytes }: Totals): string {
  const sign = growth_bytes < 0 ? "-" : "+";
  return `${added} added, ${removed} removed, ${changed} changed, ${sign}${sizeText(Math.abs(growth_bytes))}`;
}

/** `1.2 KiB -> 1.4 KiB, `, or nothing for what has no content. */
function sizesOf({ before, after }: Difference<ManifestEntry>): string {
  const sizes = [before, after].flatMap((entry) => (entry?.type === "file" ? [sizeText(entry.size)] : []));
  const [first, second] = sizes;
  if (first === undefined) return "";
  return `${second === undefined || second === first ? first : `${first} -> ${second}`}, `;
}

function sideJson(entry: ManifestEntry): object {
  const { type, mode, owner, group, size, sha256, target, layer, modified_s } = entry;
  return { type, mode: mode.toString(8), owner, group, size, sha256, target: showPath(target), modified_s, layer };
}
