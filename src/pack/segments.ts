import { createHash } from "node:crypto";
import { RootloomError } from "../core/error.ts";
import type { Files } from "../host/ports.ts";
import { streamContent } from "./content.ts";
import type { Entries } from "./entry-table.ts";
import { formatEntry, linesOf } from "./manifest.ts";
import { contentBytes, entryBytes, type Placement, writeHeader, writeText } from "./newc.ts";
import { RunMemory } from "./run-memory.ts";
import { PACKER_VERSION, type PackEntry } from "./types.ts";

/** A segment of at most this size is built in memory; a single larger file is a segment of its own and is streamed. */
export const MAX_BYTES = 16 << 20;

/** All names of each hard link set, sorted. */
export type LinkSets = ReadonlyMap<string, readonly PackEntry[]>;

/** Where a segment's entries stand in a list, and what is known of them. */
export interface Bounds {
  readonly from: number;
  readonly to: number;
  readonly raw_bytes: number;
  /** What the contents take in memory when they are unpacked. */
  readonly memory_bytes: number;
  readonly count: number;
  /** Whether every content was read when it was cut. */
  readonly isRead: boolean;
}

/** A run of whole entries, compressed and cached on its own. It keeps none of them: each is made as often as it is looked at. */
export class Segment {
  readonly #list: Entries;
  readonly #place: number;
  readonly #bounds: Bounds;
  readonly linkSets: LinkSets;
  #key: string | undefined;

  constructor(list: Entries, place: number, bounds: Bounds, linkSets: LinkSets) {
    this.#list = list;
    this.#place = place;
    this.#bounds = bounds;
    this.linkSets = linkSets;
  }

  get raw_bytes(): number {
    return this.#bounds.raw_bytes;
  }

  get memory_bytes(): number {
    return this.#bounds.memory_bytes;
  }

  /** One file that is too large for memory. */
  get isLarge(): boolean {
    return this.#bounds.raw_bytes > MAX_BYTES;
  }

  get count(): number {
    return this.#bounds.count;
  }

  get isRead(): boolean {
    return this.#bounds.isRead;
  }

  /** In the order of the archive: the names of a hard link set stand together, where the last of them belongs. */
  *entries(): Generator<PackEntry, undefined> {
    for (const entry of this.#list.range(this.#bounds.from, this.#bounds.to)) {
      if (entry.place !== this.#place) continue;
      if (entry.linkSet === "") yield entry;
      else if (entry.linkSet === entry.path) yield* this.linkSets.get(entry.linkSet) ?? [];
    }
  }

  /** Digest of all that decides its bytes before compression; to be asked for when every content was read. */
  get key(): string {
    this.#key ??= this.#recalledKey();
    return this.#key;
  }

  #recalledKey(): string {
    const { from, to } = this.#bounds;
    const known = KEYS.recall(this.#list, from);
    if (known?.to === to) return known.value;
    const key = keyOf(this);
    KEYS.keep(this.#list, from, to, key);
    return key;
  }
}

const KEYS = new RunMemory<string>();

/** @throws RootloomError when there are others than were cut: a fault of the packer. */
function keyOf(segment: Segment): string {
  const digest = createHash("sha256").update(`rootloom segment ${PACKER_VERSION}\n`);
  let count = 0;
  const format = (entry: PackEntry) => {
    count++;
    return formatEntry(entry);
  };
  for (const lines of linesOf(segment.entries(), format)) digest.update(lines, "latin1");
  if (count !== segment.count)
    throw new RootloomError(`cannot pack: ${count} entries would be written of ${segment.count}`);
  return digest.digest("hex");
}

/** Inode numbers count from 1 in each segment; the device numbers hold 64 bits of its key. */
function* placements(segment: Segment): Generator<{ readonly entry: PackEntry; readonly placement: Placement }> {
  const deviceMajor = Number.parseInt(segment.key.slice(0, 8), 16);
  const deviceMinor = Number.parseInt(segment.key.slice(8, 16), 16);
  let inode = 0;
  let inSet = "";
  for (const entry of segment.entries()) {
    if (entry.linkSet === "" || entry.linkSet !== inSet) inode++;
    inSet = entry.linkSet;
    const content_bytes = carriedBytes(entry);
    const links = segment.linkSets.get(entry.linkSet)?.length ?? 1;
    yield { entry, placement: { inode, links, deviceMajor, deviceMinor, content_bytes } };
  }
}

/** What follows the entry's name: of a hard link set, the last name carries the content. */
function carriedBytes(entry: PackEntry): number {
  return entry.linkSet === "" || entry.linkSet === entry.path ? contentBytes(entry) : 0;
}

/** Reads the content of an entry into `into`, which has its size. */
export type ReadInto = (entry: PackEntry, into: Uint8Array) => void;

/** The segment's part of the archive, whole. Headers come last: they hold the key, which may need the contents. */
export function buildSegment(
  segment: Segment,
  read: ReadInto,
  bytes: Uint8Array = Buffer.allocUnsafe(segment.raw_bytes),
): Uint8Array {
  let offset = 0;
  for (const entry of segment.entries()) {
    offset += entryBytes(entry, 0);
    const end = offset + carriedBytes(entry);
    if (entry.type === "symlink") writeText(bytes, offset, entry.target);
    else if (end > offset) read(entry, bytes.subarray(offset, end));
    offset = Math.ceil(end / 4) * 4;
    bytes.fill(0, end, offset);
  }
  offset = 0;
  for (const { entry, placement } of placements(segment)) {
    const end = writeHeader(bytes, offset, entry, placement) + placement.content_bytes;
    offset = Math.ceil(end / 4) * 4;
  }
  return bytes;
}

/** The segment's part of the archive in chunks; each may be overwritten by the next. */
export function* streamSegment(files: Files, segment: Segment): Generator<Uint8Array> {
  for (const { entry, placement } of placements(segment)) {
    const header = Buffer.alloc(entryBytes(entry, entry.type === "symlink" ? entry.size : 0));
    const offset = writeHeader(header, 0, entry, placement);
    if (entry.type === "symlink") writeText(header, offset, entry.target);
    yield header;
    if (entry.type === "symlink" || placement.content_bytes === 0) continue;
    yield* streamContent(files, entry);
    const padding = (4 - (placement.content_bytes % 4)) % 4;
    if (padding > 0) yield new Uint8Array(padding);
  }
}
