import { EntryList } from "./entry-list.ts";
import type { Run } from "./entry-table.ts";

/** Puts a list together from runs of other lists, in their order. */
export class EntryListBuilder {
  readonly #parts: Run[] = [];

  add(list: EntryList, from: number, to: number): void {
    for (const part of list.partsOf(from, to)) this.#append(part);
  }

  finish(): EntryList {
    return new EntryList(this.#parts);
  }

  #append(part: Run): void {
    const last = this.#parts.at(-1);
    const isNext = last?.table === part.table && last.to === part.from;
    if (isNext) this.#parts[this.#parts.length - 1] = { ...last, to: part.to };
    else this.#parts.push(part);
  }
}
