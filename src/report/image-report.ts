import { showPath } from "../core/entry.ts";
import type { ManifestEntry } from "../pack/types.ts";
import { compareImages, contentBytesOf, type ImageDifference } from "./image-diff.ts";

/** How many directories, files and paths are told, the largest first. */
const TOLD_MAX = 12;
/** `usr/share` is told by itself, what lies below it with it. */
const DEPTH = 2;

/** What a generation names of itself: `report.json` has more. */
export interface Generation {
  readonly generation: string;
  readonly createdAt: string;
  readonly size_bytes: number;
  readonly inputs: Readonly<Record<string, string>>;
}

interface Share {
  readonly name: string;
  readonly entries: number;
  readonly size_bytes: number;
}

/** What an image is made of, and what became of it since the generation before. Sizes are bytes of content. */
export interface ImageReport {
  readonly id: string;
  readonly generation: string;
  readonly createdAt: string;
  readonly size_bytes: number;
  readonly content_bytes: number;
  readonly entries: number;
  /** What each layer gives to the image as it is: what another covers or deletes does not count. */
  readonly layers: readonly Share[];
  /** Down to two names deep, each with all below it. */
  readonly directories: readonly Share[];
  readonly largest: readonly { readonly path: string; readonly size_bytes: number; readonly layer: string }[];
  readonly since: Since | null;
}

interface Since {
  readonly generation: string;
  readonly createdAt: string;
  readonly size_bytes: number;
  readonly totals: ImageDifference["totals"];
  readonly grown: readonly { readonly path: string; readonly growth_bytes: number; readonly layer: string }[];
  /** Inputs that differ, and the paths that came of each: why it was packed again. */
  readonly causes: readonly { readonly input: string; readonly what: string }[];
}

interface Packed {
  readonly report: Generation;
  readonly entries: Iterable<ManifestEntry>;
}

/** Reads both manifests once, of the older one only what differs. */
export function imageReport(id: string, current: Packed, before: Packed | undefined): ImageReport {
  const layers = new Shares();
  const directories = new Shares();
  const files: ManifestEntry[] = [];
  let content_bytes = 0;
  let count = 0;
  const entries = [...current.entries];
  for (const entry of entries) {
    const size_bytes = contentBytesOf(entry);
    count++;
    content_bytes += size_bytes;
    layers.add(entry.layer, size_bytes);
    for (const directory of directoriesOf(entry)) directories.add(directory, size_bytes);
    if (size_bytes > 0) files.push(entry);
  }
  files.sort((left, right) => right.size - left.size);
  const { generation, createdAt, size_bytes } = current.report;
  return {
    id,
    ...{ generation, createdAt, size_bytes, content_bytes, entries: count },
    layers: layers.list(),
    directories: directories.list().slice(0, TOLD_MAX),
    largest: files.slice(0, TOLD_MAX).map((entry) => ({
      path: `/${showPath(entry.path)}`,
      size_bytes: entry.size,
      layer: entry.layer,
    })),
    since: before === undefined ? null : sinceOf(current.report, entries, before),
  };
}

function sinceOf(current: Generation, entries: Iterable<ManifestEntry>, before: Packed): Since {
  const found = compareImages(before.entries, entries, { all: true });
  const grown = found.differences
    .map(({ path, before: old, after }) => ({
      path: `/${showPath(path)}`,
      growth_bytes: contentBytesOf(after) - contentBytesOf(old),
      layer: (after ?? old)?.layer ?? "",
    }))
    .filter(({ growth_bytes }) => growth_bytes > 0)
    .sort((left, right) => right.growth_bytes - left.growth_bytes);
  const { generation, createdAt, size_bytes, inputs } = before.report;
  const causes = causesOf(current.inputs, inputs, found);
  return { generation, createdAt, size_bytes, totals: found.totals, grown: grown.slice(0, TOLD_MAX), causes };
}

const SIGNS = { added: "+", removed: "-", changed: "~" } as const;
const PATHS_MAX = 4;
/** A digest says nothing to a person. */
const DIGEST = /^[0-9a-f]{64}$/;

/** The inputs that differ: of a layer the paths that came of it, of a setting what it was and is. */
function causesOf(inputs: Generation["inputs"], before: Generation["inputs"], found: ImageDifference): Since["causes"] {
  const names = [...new Set([...Object.keys(inputs), ...Object.keys(before)])];
  return names
    .filter((name) => inputs[name] !== before[name])
    .map((input) => {
      const [is, was] = [inputs[input], before[input]];
      const ofLayer = found.differences.filter((each) => each.before?.layer === input || each.after?.layer === input);
      const paths = ofLayer.slice(0, PATHS_MAX).map(({ change, path }) => `${SIGNS[change]} /${showPath(path)}`);
      const more = ofLayer.length > PATHS_MAX ? ` and ${ofLayer.length - PATHS_MAX} more` : "";
      if (paths.length > 0) return { input, what: `${paths.join(", ")}${more}` };
      if (was === undefined) return { input, what: "new" };
      if (is === undefined) return { input, what: "gone" };
      return { input, what: DIGEST.test(is) ? "changed" : `${was || "nothing"}, now ${is || "nothing"}` };
    });
}

/** The directories that hold an entry, down to `DEPTH`; one that lies in the top counts for itself, if it is one. */
function directoriesOf({ path, type }: ManifestEntry): readonly string[] {
  const names = path.split("/");
  const depth = Math.min(DEPTH, type === "directory" ? names.length : names.length - 1);
  return Array.from({ length: depth }, (_, index) => names.slice(0, index + 1).join("/")).filter((name) => name !== "");
}

/** Sums by name. */
class Shares {
  readonly #sums = new Map<string, { entries: number; size_bytes: number }>();

  add(name: string, size_bytes: number): void {
    const sum = this.#sums.get(name) ?? { entries: 0, size_bytes: 0 };
    sum.entries++;
    sum.size_bytes += size_bytes;
    this.#sums.set(name, sum);
  }

  /** The largest first. */
  list(): readonly Share[] {
    const list = [...this.#sums].map(([name, sum]) => ({ name: showPath(name), ...sum }));
    return list.sort((left, right) => right.size_bytes - left.size_bytes || (left.name < right.name ? -1 : 1));
  }
}
