import type { TreePath } from "../core/entry.ts";
import { type Entries, EntryTableBuilder } from "./entry-table.ts";
import { contentBytes, entryBytes } from "./newc.ts";
import { type Bounds, MAX_BYTES, Segment } from "./segments.ts";
import type { PackEntry } from "./types.ts";

const MIN_BYTES = 1 << 19;
const TARGET_BYTES = 2 << 20;

/**
 * Cuts a manifest into segments, layer by layer from the lowest. A large entry stands alone. Where else a cut falls depends
 * on the path and size of the entry before it and on nothing else, so that a change moves the cuts beside it only.
 * @param look is shown every entry.
 */
export function cutSegments(entries: Entries, look: (entry: PackEntry) => void = () => undefined): Segment[] {
  const sets = new Map<string, PackEntry[]>();
  const places: Cutter[] = [];
  let index = 0;
  for (const entry of entries) {
    look(entry);
    let members: readonly PackEntry[] = [entry];
    if (entry.linkSet !== "") {
      const set = sets.get(entry.linkSet) ?? [];
      set.push(entry);
      sets.set(entry.linkSet, set);
      members = entry.path === entry.linkSet ? set : [];
    }
    places[entry.place] ??= entry.place === 0 ? new Cutter() : new PlaceCutter();
    if (members.length > 0) places[entry.place]?.add(entry, members, index);
    index++;
  }
  return places.flatMap((place, number) => {
    const gathered = place.table() ?? entries;
    return place.finish().map((bounds) => new Segment(gathered, number, bounds, sets));
  });
}

/** One entry, or all names of one hard link set: never cut apart. */
interface Unit {
  readonly path: TreePath;
  readonly index: number;
  readonly bytes: number;
  readonly count: number;
  readonly isRead: boolean;
}

/** Cuts what one layer has given. Of the lowest, which gives nearly all, entries stay where they are. */
class Cutter {
  readonly #cuts: Bounds[] = [];
  #pending: Bounds | undefined;

  add(entry: PackEntry, members: readonly PackEntry[], index: number): void {
    const bytes = members.reduce((sum, each) => sum + entryBytes(each, each === entry ? contentBytes(each) : 0), 0);
    const isRead = entry.slot === undefined;
    this.#unit({ path: entry.path, index, bytes, count: members.length, isRead });
  }

  #unit(unit: Unit): void {
    if (unit.bytes >= TARGET_BYTES || (this.#pending?.raw_bytes ?? 0) + unit.bytes > MAX_BYTES) this.#cut();
    const { from = unit.index, raw_bytes = 0, count = 0, isRead = true } = this.#pending ?? {};
    this.#pending = {
      from,
      to: unit.index + 1,
      raw_bytes: raw_bytes + unit.bytes,
      count: count + unit.count,
      isRead: isRead && unit.isRead,
    };
    if (this.#pending.raw_bytes >= MIN_BYTES && isCutPoint(unit)) this.#cut();
  }

  finish(): readonly Bounds[] {
    this.#cut();
    return this.#cuts;
  }

  /** Where its entries stand; undefined where they came from. */
  table(): Entries | undefined {
    return undefined;
  }

  #cut(): void {
    if (this.#pending) this.#cuts.push(this.#pending);
    this.#pending = undefined;
  }
}

/** Entries of an overlay lie far from each other: they are gathered, so that nobody has to look for them among the others. */
class PlaceCutter extends Cutter {
  readonly #builder = new EntryTableBuilder();

  override add(entry: PackEntry, members: readonly PackEntry[]): void {
    super.add(entry, members, this.#builder.length);
    this.#builder.add(entry);
  }

  override table(): Entries {
    return this.#builder.finish();
  }
}

/** The larger a unit, the likelier a cut behind it: on average one in TARGET_BYTES, and always where it is that large. FNV-1a with a final mix. */
function isCutPoint(unit: Unit): boolean {
  let mixed = 0x811c9dc5;
  for (let index = 0; index < unit.path.length; index++) {
    mixed = Math.imul(mixed ^ unit.path.charCodeAt(index), 0x01000193);
  }
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 0x1_0000_0000 < unit.bytes / TARGET_BYTES;
}
