import { createHash } from "node:crypto";
import type { TreePath } from "../core/entry.ts";
import type { LayerDigest } from "../host/jobs.ts";
import type { EntryList } from "./entry-list.ts";
import { nameLinkSets } from "./links.ts";
import { formatEntry, linesOf } from "./manifest.ts";
import { RunMemory } from "./run-memory.ts";
import type { Layer, PackEntry } from "./types.ts";

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
  let cursor = new Cursor(entries, 0);
  for (let { entry } = cursor; entry; entry = cursor.entry) {
    yield entry;
    cursor.move();
    if (!isAbovePart(entry)) continue;
    const prefix = `${entry.path}/`;
    const known = PARTS.recall(entries, cursor.index);
    const behind = known && new Cursor(entries, known.to);
    if (known && behind && !behind.isBelow(prefix)) {
      yield known.value;
      cursor = behind;
      continue;
    }
    const from = cursor.index;
    const part = { type: "part", ...digestLines(cursor.below(prefix)) } as const;
    PARTS.keep(entries, from, cursor.index, part);
    yield part;
  }
}

/** A place in a list. */
class Cursor {
  readonly #entries: Iterator<PackEntry, undefined>;
  index: number;
  /** The one that stands there; undefined at the end. */
  entry: PackEntry | undefined;

  constructor(list: EntryList, index: number) {
    this.#entries = list.range(index, list.length);
    this.index = index;
    this.entry = this.#entries.next().value;
  }

  move(): void {
    this.index++;
    this.entry = this.#entries.next().value;
  }

  isBelow(prefix: TreePath): boolean {
    return this.entry?.path.startsWith(prefix) === true;
  }

  /** The entries from here on that begin with `prefix`; it stands behind them then. */
  *below(prefix: TreePath): Generator<PackEntry, undefined> {
    for (let { entry } = this; entry?.path.startsWith(prefix); entry = this.entry) {
      yield entry;
      this.move();
    }
  }
}

function isAbovePart({ type, path }: PackEntry): boolean {
  return type === "directory" && path.split("/", PART_DEPTH + 1).length === PART_DEPTH;
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
