import type { TreePath } from "../core/entry.ts";
import { differences, whatDiffersAtAll } from "./differences.ts";
import { type Entries, EntryTable, type Run } from "./entry-table.ts";
import { comparePaths } from "./paths.ts";
import { lastAtMost } from "./sorted.ts";
import type { ContentSource, PackEntry } from "./types.ts";

/** Entries of a list from one index up to another; `at`: where another list has the same, from the same place of a table. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly at: number | undefined;
}

interface PlacedRun {
  readonly run: Run;
  /** In the list, of its first entry. */
  readonly index: number;
  readonly isNamed: boolean;
}

/** Entries of several tables in one order, none of them copied: what overlays make of a tree. */
export class EntryList implements Entries {
  readonly #parts: readonly Run[];
  /** Index in the list at which each part begins. */
  readonly #starts: readonly number[];
  readonly #firsts: readonly TreePath[];
  /** By index, what the hard link set of an entry is called instead. */
  readonly #linkSets: ReadonlyMap<number, string>;
  readonly length: number;

  /** @param parts none of them empty. */
  constructor(parts: readonly Run[], linkSets: ReadonlyMap<number, string> = new Map()) {
    this.#parts = parts;
    this.#linkSets = linkSets;
    this.#firsts = parts.map(({ table, from }) => first(table.range(from, from + 1))?.path ?? "");
    const starts: number[] = [];
    let length = 0;
    for (const { from, to } of parts) {
      starts.push(length);
      length += to - from;
    }
    this.#starts = starts;
    this.length = length;
  }

  static of(entries: Iterable<PackEntry>): EntryList {
    const table = entries instanceof EntryTable ? entries : EntryTable.of(entries);
    return new EntryList(table.length === 0 ? [] : [{ table, from: 0, to: table.length }]);
  }

  [Symbol.iterator](): Iterator<PackEntry> {
    return this.range(0, this.length);
  }

  *range(from: number, to: number): Generator<PackEntry, undefined> {
    let index = from;
    for (const part of this.partsOf(from, to)) {
      for (const entry of part.table.range(part.from, part.to)) {
        yield entry.linkSet === "" ? entry : this.#named(entry, index);
        index++;
      }
    }
  }

  /** The same entries as parts of their tables: no more of them than are asked for. */
  *partsOf(from: number, to: number): Generator<Run, undefined> {
    const at = lastAtMost(this.#starts.length, (part) => (this.#starts[part] ?? 0) - from);
    for (let number = at; number < this.#parts.length; number++) {
      const part = this.#parts[number] as Run;
      const start = this.#starts[number] ?? 0;
      if (start >= to) break;
      const [low, high] = [Math.max(from - start, 0), Math.min(to - start, part.to - part.from)];
      if (low < high) yield { table: part.table, from: part.from + low, to: part.from + high };
    }
  }

  runOf(from: number, to: number): Run | undefined {
    const [part, another] = this.partsOf(from, to);
    if (another) return undefined;
    for (let index = from; index < to; index++) if (this.#linkSets.has(index)) return undefined;
    return part;
  }

  /** Index of a path, or the place where it would stand as `-index - 1`. */
  indexOf(path: TreePath): number {
    const number = lastAtMost(this.#firsts.length, (part) => comparePaths(this.#firsts[part] ?? "", path));
    const part = this.#parts[number];
    if (part === undefined) return -1;
    const found = part.table.indexOf(path);
    const index = found < 0 ? -found - 1 : found;
    const start = this.#starts[number] ?? 0;
    if (index < part.from) return -start - 1;
    const inPart = Math.min(index, part.to) - part.from + start;
    return found < 0 || found >= part.to ? -inPart - 1 : inPart;
  }

  /** Indexes of a path and of all that stands below it. */
  within(path: TreePath): { readonly from: number; readonly to: number } {
    // Behind all that is below, and before any other name: no byte is lower.
    const [here, behind] = [this.indexOf(path), this.indexOf(`${path}\0`)];
    return { from: here < 0 ? -here - 1 : here, to: -behind - 1 };
  }

  /** Whether both hold the same, but for the layer; what they take from one place of one table is not looked at. */
  isSameAs(other: EntryList): boolean {
    const found = differences(this.without(other), other.without(this), whatDiffersAtAll);
    return this.length === other.length && found.next().done === true;
  }

  /** The entries that it does not take, as the other does, from one place of one table: only they can differ. */
  *without(other: EntryList): Generator<PackEntry, undefined> {
    for (const { from, to, at } of this.piecesBeside(other)) if (at === undefined) yield* this.range(from, to);
  }

  /** The whole list in its order, in pieces that stand in the other one and pieces that do not. */
  *piecesBeside(other: EntryList): Generator<Piece, undefined> {
    const shared = other.#unnamedRuns();
    for (const { run, index, isNamed } of this.#runs()) {
      const others = isNamed ? [] : (shared.get(run.table) ?? []);
      const indexOf = (place: number) => index + place - run.from;
      let done = run.from;
      // Both take the entries of a table in their order.
      for (let next = others[0]; next && next.run.from < run.to; next = others[0]) {
        const [from, to] = [Math.max(next.run.from, run.from), Math.min(next.run.to, run.to)];
        if (done < from && from < to) yield { from: indexOf(done), to: indexOf(from), at: undefined };
        if (from < to) {
          yield { from: indexOf(from), to: indexOf(to), at: next.index + from - next.run.from };
          done = to;
        }
        if (next.run.to > run.to) break;
        others.shift();
      }
      if (done < run.to) yield { from: indexOf(done), to: indexOf(run.to), at: undefined };
    }
  }

  /** By table, in its order, what is as the table has it. */
  #unnamedRuns(): Map<EntryTable, PlacedRun[]> {
    const runs = new Map<EntryTable, PlacedRun[]>();
    for (const placed of this.#runs()) {
      if (placed.isNamed) continue;
      const found = runs.get(placed.run.table) ?? [];
      runs.set(placed.run.table, found);
      found.push(placed);
    }
    return runs;
  }

  /** The list as runs whose entries are all called otherwise here, or none is. */
  *#runs(): Generator<PlacedRun> {
    for (const [number, { table, from, to }] of this.#parts.entries()) {
      const start = this.#starts[number] ?? 0;
      const isNamed = (place: number) => this.#linkSets.has(start + place - from);
      for (let begin = from; begin < to; ) {
        const named = isNamed(begin);
        let end = begin + 1;
        while (end < to && isNamed(end) === named) end++;
        yield { run: { table, from: begin, to: end }, index: start + begin - from, isNamed: named };
        begin = end;
      }
    }
  }

  /** The same entries with their contents elsewhere. */
  withSources(change: (source: ContentSource) => ContentSource): EntryList {
    const parts = this.#parts.map((part) => ({ ...part, table: part.table.withSources(change) }));
    return new EntryList(parts, this.#linkSets);
  }

  at(index: number): PackEntry | undefined {
    return first(this.range(index, index + 1));
  }

  find(path: TreePath): PackEntry | undefined {
    const index = this.indexOf(path);
    return index < 0 ? undefined : this.at(index);
  }

  /** The entries that are in a hard link set, with their indexes. */
  *linked(): Generator<readonly [number, PackEntry], undefined> {
    for (const [number, { table, from, to }] of this.#parts.entries()) {
      const start = (this.#starts[number] ?? 0) - from;
      for (const near of table.linkedNear(from, to)) {
        let index = start + near.from;
        for (const entry of this.range(index, start + near.to)) {
          if (entry.linkSet !== "") yield [index, entry];
          index++;
        }
      }
    }
  }

  /** With the hard link sets of these entries called otherwise. */
  withLinkSets(linkSets: ReadonlyMap<number, string>): EntryList {
    return new EntryList(this.#parts, linkSets);
  }

  #named(entry: PackEntry, index: number): PackEntry {
    const linkSet = this.#linkSets.get(index);
    return linkSet === undefined ? entry : { ...entry, linkSet };
  }
}

function first<T>(values: Iterable<T>): T | undefined {
  for (const value of values) return value;
  return undefined;
}
