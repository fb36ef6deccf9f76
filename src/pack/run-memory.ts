import type { Entries, EntryTable } from "./entry-table.ts";

interface Known<T> {
  readonly to: number;
  readonly value: T;
}

/**
 * What was learned of entries that stand behind one another in a table. It holds in every list that takes them from there as they
 * are: a table does not change, but for the hashes of contents that nobody had read, so that it is to be kept only where all were.
 * It lives as long as the table.
 */
export class RunMemory<T> {
  /** By the place of the first of them. */
  readonly #tables = new WeakMap<EntryTable, Map<number, Known<T>>>();

  /** What is known of the entries from one index of a list up to another, `to`; of several such runs, what was learned last. */
  recall(list: Entries, from: number): Known<T> | undefined {
    const first = list.runOf(from, from + 1);
    const known = first && this.#tables.get(first.table)?.get(first.from);
    if (!known) return undefined;
    const to = from + known.to - first.from;
    return list.runOf(from, to)?.to === known.to ? { to, value: known.value } : undefined;
  }

  /** Of entries that the list takes from several tables, or calls otherwise than their table does, nothing is kept. */
  keep(list: Entries, from: number, to: number, value: T): void {
    const run = list.runOf(from, to);
    if (!run) return;
    const known = this.#tables.get(run.table) ?? new Map<number, Known<T>>();
    this.#tables.set(run.table, known);
    known.set(run.from, { to: run.to, value });
  }
}
