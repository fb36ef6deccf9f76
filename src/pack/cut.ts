import type { TreePath } from "../core/entry.ts";
import { EntryCheck } from "./checks.ts";
import { type Entries, EntryTableBuilder } from "./entry-table.ts";
import { contentBytes, entryBytes } from "./newc.ts";
import { RunMemory } from "./run-memory.ts";
import { type Bounds, MAX_BYTES, Segment } from "./segments.ts";
import type { PackEntry } from "./types.ts";

const MIN_BYTES = 1 << 19;
const TARGET_BYTES = 2 << 20;
/** What a content takes in memory comes in pages. */
const BLOCK_BYTES = 4096;

/** Entries between two cuts, the second of which stands whatever comes behind it. */
interface KnownCut {
  readonly first: TreePath;
  readonly last: Pick<PackEntry, "path" | "type">;
  readonly raw_bytes: number;
  readonly memory_bytes: number;
}

const CUTS = new RunMemory<KnownCut>();

/**
 * Cuts a manifest into segments, layer by layer from the lowest. A large entry stands alone. Where else a cut falls depends
 * on the path and size of the entry before it, and on how much lies between it and the cut before, so that a change moves the cuts
 * beside it only, and entries that were cut before need not be looked at.
 * @throws RootloomError for an entry that an archive cannot hold, or that would come before its directory.
 */
export function cutSegments(entries: Entries): Segment[] {
  const check = new EntryCheck();
  const sets = new Map<string, PackEntry[]>();
  const lowest = new Cutter();
  const places: Cutter[] = [lowest];
  for (let index = 0; index < entries.length; ) {
    const known = CUTS.recall(entries, index);
    if (known) {
      check.addKnown(known.value.first, known.value.last);
      lowest.addKnown(known.value, index, known.to);
      index = known.to;
      continue;
    }
    for (const entry of entries.range(index, entries.length)) {
      check.add(entry);
      places[entry.place] ??= new PlaceCutter();
      const members = entry.linkSet === "" ? [entry] : gather(sets, entry);
      const cut = members && places[entry.place]?.add(entry, members, index);
      index++;
      if (cut === undefined || entry.place !== 0) continue;
      keep(entries, cut, entry);
      break; // what comes next may be known
    }
  }
  return places.flatMap((place, number) => {
    const gathered = place.table() ?? entries;
    return place.finish().map((bounds) => new Segment(gathered, number, bounds, sets));
  });
}

/** All names of the set that an entry is in, if it is the last of them. */
function gather(sets: Map<string, PackEntry[]>, entry: PackEntry): readonly PackEntry[] | undefined {
  const set = sets.get(entry.linkSet) ?? [];
  set.push(entry);
  sets.set(entry.linkSet, set);
  return entry.path === entry.linkSet ? set : undefined;
}

/** Only where every entry up to the cut is in it, and nothing beyond it decides what it is. */
function keep(entries: Entries, { first, isPlain, bounds }: Cut, last: PackEntry): void {
  const { from, to, raw_bytes, memory_bytes, count, isRead } = bounds;
  if (!isPlain || !isRead || count !== to - from) return;
  CUTS.keep(entries, from, to, { first, last: { path: last.path, type: last.type }, raw_bytes, memory_bytes });
}

/** One entry, or all names of one hard link set: never cut apart. */
interface Unit {
  readonly path: TreePath;
  readonly index: number;
  readonly bytes: number;
  readonly memory_bytes: number;
  readonly count: number;
  readonly isPlain: boolean;
  readonly isRead: boolean;
}

interface Cut {
  readonly first: TreePath;
  /** Whether no hard link set is in it. */
  readonly isPlain: boolean;
  readonly bounds: Bounds;
}

/** Cuts what one layer has given. Of the lowest, which gives nearly all, entries stay where they are. */
class Cutter {
  readonly #cuts: Bounds[] = [];
  #pending: Cut | undefined;

  /** Returns what lies before the cut behind this entry, if it makes one. */
  add(entry: PackEntry, members: readonly PackEntry[], index: number): Cut | undefined {
    const bytes = members.reduce((sum, each) => sum + entryBytes(each, each === entry ? contentBytes(each) : 0), 0);
    const memory_bytes = Math.ceil(entry.size / BLOCK_BYTES) * BLOCK_BYTES;
    const [isPlain, isRead] = [entry.linkSet === "", entry.slot === undefined];
    return this.#unit({ path: entry.path, index, bytes, memory_bytes, count: members.length, isPlain, isRead });
  }

  addKnown({ raw_bytes, memory_bytes }: KnownCut, from: number, to: number): void {
    this.#cuts.push({ from, to, raw_bytes, memory_bytes, count: to - from, isRead: true });
  }

  #unit(unit: Unit): Cut | undefined {
    if (unit.bytes >= TARGET_BYTES || (this.#pending?.bounds.raw_bytes ?? 0) + unit.bytes > MAX_BYTES) this.#cut();
    const { first = unit.path, isPlain = true, bounds } = this.#pending ?? {};
    const { from = unit.index, raw_bytes = 0, memory_bytes = 0, count = 0, isRead = true } = bounds ?? {};
    this.#pending = {
      first,
      isPlain: isPlain && unit.isPlain,
      bounds: {
        from,
        to: unit.index + 1,
        raw_bytes: raw_bytes + unit.bytes,
        memory_bytes: memory_bytes + unit.memory_bytes,
        count: count + unit.count,
        isRead: isRead && unit.isRead,
      },
    };
    return this.#pending.bounds.raw_bytes >= MIN_BYTES && isCutPoint(unit) ? this.#cut() : undefined;
  }

  finish(): readonly Bounds[] {
    this.#cut();
    return this.#cuts;
  }

  /** Where its entries stand; undefined where they came from. */
  table(): Entries | undefined {
    return undefined;
  }

  #cut(): Cut | undefined {
    const cut = this.#pending;
    if (cut) this.#cuts.push(cut.bounds);
    this.#pending = undefined;
    return cut;
  }
}

/** Entries of an overlay lie far from each other: they are gathered, so that nobody has to look for them among the others. */
class PlaceCutter extends Cutter {
  readonly #builder = new EntryTableBuilder();

  override add(entry: PackEntry, members: readonly PackEntry[]): Cut | undefined {
    const index = this.#builder.length;
    this.#builder.add(entry);
    return super.add(entry, members, index);
  }

  override table(): Entries {
    return this.#builder.finish();
  }
}

/**
 * The larger a unit, the likelier a cut behind it: on average one in TARGET_BYTES, and always where it is that large. FNV-1a with a
 * final mix.
 */
function isCutPoint(unit: Unit): boolean {
  let mixed = 0x811c9dc5;
  for (let index = 0; index < unit.path.length; index++) {
    mixed = Math.imul(mixed ^ unit.path.charCodeAt(index), 0x01000193);
  }
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 0x1_0000_0000 < unit.bytes / TARGET_BYTES;
}
