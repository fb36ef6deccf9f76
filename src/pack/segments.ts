import { createHash } from "node:crypto";
import type { Files } from "../host/ports.ts";
import { streamContent } from "./content.ts";
import { formatEntry } from "./manifest.ts";
import { contentBytes, entryBytes, type Placement, writeHeader, writeText } from "./newc.ts";
import { PACKER_VERSION, type PackEntry } from "./types.ts";

/** A segment of at most this size is built in memory; a single larger file is a segment of its own and is streamed. */
export const MAX_BYTES = 16 << 20;

/** A run of whole entries, compressed and cached on its own. */
export class Segment {
  /** In the order of the archive: the names of a hard link set stand together, where the last of them belongs. */
  readonly entries: readonly PackEntry[];
  readonly raw_bytes: number;
  #key: string | undefined;

  constructor(entries: readonly PackEntry[], raw_bytes: number) {
    this.entries = entries;
    this.raw_bytes = raw_bytes;
  }

  /** Digest of all that decides its bytes before compression; to be asked for when every content was read. */
  get key(): string {
    this.#key ??= keyOf(this.entries);
    return this.#key;
  }
}

function keyOf(entries: readonly PackEntry[]): string {
  const digest = createHash("sha256");
  digest.update(`rootloom segment ${PACKER_VERSION}\n`);
  digest.update(entries.map((entry) => `${formatEntry(entry)}\n`).join(""), "latin1");
  return digest.digest("hex");
}

/** Inode numbers count from 1 in each segment; the device numbers hold 64 bits of its key. */
function* placements(segment: Segment): Generator<{ readonly entry: PackEntry; readonly placement: Placement }> {
  const deviceMajor = Number.parseInt(segment.key.slice(0, 8), 16);
  const deviceMinor = Number.parseInt(segment.key.slice(8, 16), 16);
  const links = new Map<string, number>();
  for (const { linkSet } of segment.entries) if (linkSet !== "") links.set(linkSet, (links.get(linkSet) ?? 0) + 1);
  let inode = 0;
  let inSet = "";
  for (const entry of segment.entries) {
    if (entry.linkSet === "" || entry.linkSet !== inSet) inode++;
    inSet = entry.linkSet;
    const content_bytes = carriedBytes(entry);
    yield {
      entry,
      placement: { inode, links: links.get(entry.linkSet) ?? 1, deviceMajor, deviceMinor, content_bytes },
    };
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
  for (const entry of segment.entries) {
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
