import { showPath, type TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import { fillSlot, placeOf, RecordReader, readSlot } from "./entry-reader.ts";
import { type Common, RecordWriter, recordBytesMax } from "./entry-record.ts";
import { comparePaths } from "./paths.ts";
import { clusters, lastAtMost } from "./sorted.ts";
import type { ContentSource, PackEntry } from "./types.ts";

/** A page is what a search has to read; its first entry shares nothing with the one before. */
const PAGE_ENTRIES = 24;
/** Memory for many pages: small pieces would be scattered over the heap when they are given back. */
const CHUNK_BYTES = 1 << 18;

/** Entries sorted by `comparePaths`, made as they are asked for: each is a copy. */
export interface Entries extends Iterable<PackEntry> {
  readonly length: number;
  /** Those from one index up to another. */
  range(from: number, to: number): Iterable<PackEntry>;
  find(path: TreePath): PackEntry | undefined;
  /** Where the entries of a range stand, if in one run of one table, and as that table has them. */
  runOf(from: number, to: number): Run | undefined;
}

/** Entries of a table from one index up to another. */
export interface Run {
  readonly table: EntryTable;
  readonly from: number;
  readonly to: number;
}

/**
 * Entries in bytes: some 60 of them each, where an object would take 500. What is told of one after it was built is only the
 * hash of its content.
 */
export class EntryTable implements Entries {
  readonly #chunks: readonly Buffer[];
  readonly #pages: readonly number[];
  readonly #commons: readonly Common[];
  /** Indexes of the entries that are in a hard link set. */
  readonly #linked: readonly number[];
  readonly length: number;

  /** @param pages where each begins, as `placeOf` has it. */
  constructor(
    chunks: readonly Buffer[],
    pages: readonly number[],
    commons: readonly Common[],
    linked: readonly number[],
    length: number,
  ) {
    this.#chunks = chunks;
    this.#pages = pages;
    this.#commons = commons;
    this.#linked = linked;
    this.length = length;
  }

  static of(entries: Iterable<PackEntry>): EntryTable {
    const builder = new EntryTableBuilder();
    for (const entry of entries) builder.add(entry);
    return builder.finish();
  }

  [Symbol.iterator](): Iterator<PackEntry> {
    return this.range(0, this.length);
  }

  *range(from: number, to: number): Generator<PackEntry, undefined> {
    const reader = new RecordReader(this.#chunks, this.#commons);
    const first = from - (from % PAGE_ENTRIES);
    for (let index = first; index < to && index < this.length; index++) {
      if (index % PAGE_ENTRIES === 0) reader.moveTo(this.#pages[index / PAGE_ENTRIES] ?? 0);
      const entry = reader.read();
      if (index >= from) yield entry;
    }
  }

  runOf(from: number, to: number): Run {
    return { table: this, from, to };
  }

  /** Of a range, the parts that hold all entries of hard link sets: what stands between two that are near is read with them. */
  linkedNear(from: number, to: number): Iterable<Pick<Run, "from" | "to">> {
    return clusters(this.#linked, from, to, PAGE_ENTRIES);
  }

  /** Index of a path, or the place where it would stand as `-index - 1`. */
  indexOf(path: TreePath): number {
    let index = this.#startOf(path);
    for (const entry of this.range(index, index + PAGE_ENTRIES)) {
      const order = comparePaths(entry.path, path);
      if (order === 0) return index;
      if (order > 0) break;
      index++;
    }
    return -index - 1;
  }

  find(path: TreePath): PackEntry | undefined {
    const start = this.#startOf(path);
    for (const entry of this.range(start, start + PAGE_ENTRIES)) if (entry.path === path) return entry;
    return undefined;
  }

  /** Index of the first entry of the page that would hold a path. */
  #startOf(path: TreePath): number {
    const reader = new RecordReader(this.#chunks, this.#commons);
    const page = lastAtMost(this.#pages.length, (each) => {
      reader.moveTo(this.#pages[each] ?? 0);
      return comparePaths(reader.readPath(), path);
    });
    return page * PAGE_ENTRIES;
  }

  /** The same entries with their contents elsewhere. */
  withSources(change: (source: ContentSource) => ContentSource): EntryTable {
    const commons = this.#commons.map((common) => ({ ...common, source: common.source && change(common.source) }));
    return new EntryTable(this.#chunks, this.#pages, commons, this.#linked, this.length);
  }

  /** What is known of content that nobody has read: its key. */
  unreadKey(slot: number): string {
    return readSlot(this.#chunks, slot);
  }

  learn(slot: number, sha256: string): void {
    fillSlot(this.#chunks, slot, sha256);
  }
}

/** Takes entries in their order, and no two with one path. */
export class EntryTableBuilder {
  readonly #chunks: Buffer[] = [];
  readonly #pages: number[] = [];
  readonly #commons: Common[] = [];
  readonly #linked: number[] = [];
  readonly #numbers = new Map<string, number>();
  #writer = new RecordWriter(Buffer.alloc(0));
  #last: TreePath | undefined;
  /** Of the last entry, whose neighbours have the same more often than not. */
  #lastCommon: Common | undefined;
  #lastNumber = 0;
  length = 0;

  /** @param unread key of a content that nobody has read: of 32 characters. */
  add(entry: PackEntry, unread?: string): void {
    const { path } = entry;
    if (this.#last !== undefined && comparePaths(this.#last, path) >= 0)
      throw new RootloomError(`cannot list /${showPath(path)}: it comes twice, or behind /${showPath(this.#last)}`, {
        retry: "transient",
      });
    const isFirst = this.length % PAGE_ENTRIES === 0;
    const bytes_max = recordBytesMax(entry);
    if (this.#writer.room < bytes_max) this.#nextChunk(Math.max(CHUNK_BYTES, bytes_max));
    if (entry.linkSet !== "") this.#linked.push(this.length);
    if (isFirst) this.#pages.push(placeOf(this.#chunks.length - 1, this.#writer.at));
    this.#writer.write(entry, isFirst ? 0 : sharedLength(this.#last ?? "", path), this.#numberOf(entry), unread);
    this.#last = path;
    this.length++;
  }

  finish(): EntryTable {
    // A small table, such as that of an overlay, keeps no room that it does not need.
    if (this.#chunks.length > 0) this.#chunks[this.#chunks.length - 1] = Buffer.from(this.#writer.written);
    return new EntryTable(this.#chunks, this.#pages, this.#commons, this.#linked, this.length);
  }

  #nextChunk(size_bytes: number): void {
    if (this.#chunks.length > 0) this.#chunks[this.#chunks.length - 1] = this.#writer.written;
    const chunk = Buffer.allocUnsafeSlow(size_bytes);
    this.#chunks.push(chunk);
    this.#writer = new RecordWriter(chunk);
  }

  #numberOf(entry: PackEntry): number {
    const { type, mode, owner, group, layer, place, source } = entry;
    const looked = entry.attributes !== undefined;
    const last = this.#lastCommon;
    if (last !== undefined && isCommon(last, entry, looked)) return this.#lastNumber;
    const shared = source?.type === "file" ? undefined : source;
    const from = shared === undefined ? "" : `${shared.type} ${shared.path}`;
    const key = `${type} ${mode} ${owner} ${group} ${place} ${looked} ${layer}\n${from}`;
    const known = this.#numbers.get(key) ?? this.#commons.length;
    const common = this.#commons[known] ?? { type, mode, owner, group, layer, place, source: shared, looked };
    if (known === this.#commons.length) this.#commons.push(common);
    this.#numbers.set(key, known);
    this.#lastCommon = common;
    this.#lastNumber = known;
    return known;
  }
}

function isCommon(common: Common, entry: PackEntry, looked: boolean): boolean {
  return (
    common.mode === entry.mode &&
    common.type === entry.type &&
    common.owner === entry.owner &&
    common.group === entry.group &&
    common.place === entry.place &&
    common.layer === entry.layer &&
    common.looked === looked &&
    isSameSource(common.source, entry.source)
  );
}

function isSameSource(common: ContentSource | undefined, source: ContentSource | undefined): boolean {
  if (common === source) return true;
  if (source === undefined || source.type === "file") return common === undefined;
  return common?.type === source.type && common.path === source.path;
}

function sharedLength(before: TreePath, path: TreePath): number {
  const length = Math.min(before.length, path.length);
  let shared = 0;
  while (shared < length && before.charCodeAt(shared) === path.charCodeAt(shared)) shared++;
  return shared;
}
