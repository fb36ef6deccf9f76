import { showPath, type TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import { type Common, fillSlot, RecordReader, RecordWriter, readSlot, recordBytesMax } from "./entry-record.ts";
import { comparePaths } from "./paths.ts";
import type { ContentSource, PackEntry } from "./types.ts";

/** Some twenty-five entries: what a search has to read. */
const PAGE_BYTES = 1536;

/** Entries sorted by `comparePaths`, made as they are asked for: each is a copy. */
export interface Entries extends Iterable<PackEntry> {
  readonly length: number;
  /** Those from one index up to another. */
  range(from: number, to: number): Iterable<PackEntry>;
  find(path: TreePath): PackEntry | undefined;
}

/**
 * Entries in bytes: some 60 of them each, where an object would take 500. What is told of one after it was built is only the
 * hash of its content.
 */
export class EntryTable implements Entries {
  readonly #pages: readonly Buffer[];
  /** Index of the first entry of each page, and its path. */
  readonly #starts: readonly number[];
  readonly #firsts: readonly TreePath[];
  readonly #commons: readonly Common[];
  readonly length: number;

  constructor(parts: {
    readonly pages: readonly Buffer[];
    readonly starts: readonly number[];
    readonly firsts: readonly TreePath[];
    readonly commons: readonly Common[];
    readonly length: number;
  }) {
    this.#pages = parts.pages;
    this.#starts = parts.starts;
    this.#firsts = parts.firsts;
    this.#commons = parts.commons;
    this.length = parts.length;
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
    if (from >= to) return;
    const reader = new RecordReader();
    let page = lastAtMost(this.#starts.length, (index) => (this.#starts[index] ?? 0) - from);
    let index = this.#starts[page] ?? 0;
    for (; index < to; page++) {
      const end = this.#starts[page + 1] ?? this.length;
      reader.open(this.#pages[page] as Buffer);
      for (; index < end && index < to; index++) {
        const entry = reader.read(this.#commons, page);
        if (index >= from) yield entry;
      }
    }
  }

  /** Index of a path, or the place where it would stand as `-index - 1`. */
  indexOf(path: TreePath): number {
    const page = this.#pageOf(path);
    let index = this.#starts[page] ?? 0;
    for (const entry of this.range(index, this.#starts[page + 1] ?? this.length)) {
      const order = comparePaths(entry.path, path);
      if (order === 0) return index;
      if (order > 0) break;
      index++;
    }
    return -index - 1;
  }

  find(path: TreePath): PackEntry | undefined {
    const page = this.#pageOf(path);
    for (const entry of this.range(this.#starts[page] ?? 0, this.#starts[page + 1] ?? this.length)) {
      if (entry.path === path) return entry;
    }
    return undefined;
  }

  #pageOf(path: TreePath): number {
    return lastAtMost(this.#firsts.length, (index) => comparePaths(this.#firsts[index] ?? "", path));
  }

  /** The same entries with their contents elsewhere. */
  withSources(change: (source: ContentSource) => ContentSource): EntryTable {
    const commons = this.#commons.map((common) => ({ ...common, source: common.source && change(common.source) }));
    const [pages, starts, firsts] = [this.#pages, this.#starts, this.#firsts];
    return new EntryTable({ pages, starts, firsts, commons, length: this.length });
  }

  /** What is known of content that nobody has read: its key. */
  unreadKey(slot: number): string {
    return readSlot(this.#pages, slot);
  }

  learn(slot: number, sha256: string): void {
    fillSlot(this.#pages, slot, sha256);
  }
}

/** Takes entries in their order, and no two with one path. */
export class EntryTableBuilder {
  readonly #pages: Buffer[] = [];
  readonly #starts: number[] = [];
  readonly #firsts: TreePath[] = [];
  readonly #commons: Common[] = [];
  readonly #numbers = new Map<string, number>();
  #memory = Buffer.allocUnsafe(2 * PAGE_BYTES);
  #writer = new RecordWriter(this.#memory);
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
    const bytes_max = recordBytesMax(entry);
    if (this.#writer.at > 0 && this.#writer.at + bytes_max > this.#memory.length) this.#closePage();
    if (bytes_max > this.#memory.length) this.#makeRoom(bytes_max);
    const isFirst = this.#writer.at === 0;
    if (isFirst) {
      this.#starts.push(this.length);
      this.#firsts.push(path);
    }
    this.#writer.write(entry, isFirst ? 0 : sharedLength(this.#last ?? "", path), this.#numberOf(entry), unread);
    if (this.#writer.at >= PAGE_BYTES) this.#closePage();
    this.#last = path;
    this.length++;
  }

  finish(): EntryTable {
    if (this.#writer.at > 0) this.#closePage();
    const [pages, starts, firsts] = [this.#pages, this.#starts, this.#firsts];
    return new EntryTable({ pages, starts, firsts, commons: this.#commons, length: this.length });
  }

  #closePage(): void {
    const page = Buffer.allocUnsafeSlow(this.#writer.at);
    this.#memory.copy(page, 0, 0, this.#writer.at);
    this.#pages.push(page);
    this.#writer.at = 0;
  }

  #makeRoom(size_bytes: number): void {
    this.#memory = Buffer.allocUnsafe(2 * size_bytes);
    this.#writer = new RecordWriter(this.#memory);
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

/** The last of so many for which `order` is not above 0; the first where there is none. */
export function lastAtMost(count: number, order: (index: number) => number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (order(middle) <= 0) low = middle;
    else high = middle - 1;
  }
  return low;
}
