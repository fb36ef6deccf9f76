import { createHash } from "node:crypto";
import type { TreePath } from "../core/entry.ts";
import type { LayerDigest } from "../host/jobs.ts";
import type { EntryList } from "./entry-list.ts";
import { nameLinkSets } from "./links.ts";
import { formatEntry, linesOf } from "./manifest.ts";
import { RunMemory } from "./run-memory.ts";
import type { Layer, PackEntry } from "./types.ts";

/** To be raised when other digests are made of the same entries: they are compared with those of earlier runs. */
export const LAYER_DIGEST_VERSION = 3;

/** What lies below a directory so deep, such as `usr/share/doc`, has a digest of its own: a change elsewhere leaves it. */
const PART_DEPTH = 3;

/** All that lies below a directory. */
interface Part {
  readonly type: "part";
  readonly digest: string;
  /** Of all contents; each name of a hard link set counts. */
  readonly size_bytes: number;
}

const PARTS = new RunMemory<Part>();

/**
 * The digest of all that decides what a layer gives to an image: of its entries' lines, and of its parts' digests in place of theirs.
 * To be asked for when every content was read.
 */
export function digestLayer(layer: Pick<Layer, "name" | "entries">): LayerDigest {
  const entries = nameLinkSets(layer.entries);
  return { name: layer.name, ...digestLines(withParts(entries)), entries: entries.length };
}

function* withParts(entries: EntryList): Generator<PackEntry | Part, undefined> {
  for (let index = 0; index < entries.length; ) {
    let directory: TreePath | undefined;
    for (const entry of entries.range(index, entries.length)) {
      yield entry;
      index++;
      if (!isAbovePart(entry)) continue;
      directory = entry.path;
      break;
    }
    if (directory === undefined) return;
    const { part, to } = partOf(entries, directory, index);
    yield part;
    index = to;
  }
}

function isAbovePart({ type, path }: PackEntry): boolean {
  return type === "directory" && path.split("/", PART_DEPTH + 1).length === PART_DEPTH;
}

/** @param from where what lies below the directory begins. */
function partOf(entries: EntryList, directory: TreePath, from: number): { readonly part: Part; readonly to: number } {
  const known = PARTS.recall(entries, from);
  if (known && entries.at(known.to)?.path.startsWith(`${directory}/`) !== true)
    return { part: known.value, to: known.to };
  const { to } = entries.within(directory);
  const part = { type: "part", ...digestLines(entries.range(from, to)) } as const;
  PARTS.keep(entries, from, to, part);
  return { part, to };
}

function digestLines(items: Iterable<PackEntry | Part>): Pick<Part, "digest" | "size_bytes"> {
  const digest = createHash("sha256");
  let size_bytes = 0;
  const format = (item: PackEntry | Part) => {
    size_bytes += item.type === "part" ? item.size_bytes : item.size;
    return item.type === "part" ? `\t${item.digest}` : formatEntry(item); // no entry's line begins so
  };
  for (const lines of linesOf(items, format)) digest.update(lines, "latin1");
  return { digest: digest.digest("hex"), size_bytes };
}
