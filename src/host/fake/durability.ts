import { contentSize, cutContent } from "./content.ts";
import { durableState, type Inode } from "./inode.ts";
import { formatOf } from "./loops.ts";
import type { Random } from "./random.ts";

/** `subset`: any un-synced change of a directory may be lost; `ordered`: only the latest ones, as by a journal. */
export type Journal = "subset" | "ordered";

/** One name of a directory before and after. */
export interface Change {
  readonly directory: Inode;
  readonly name: string;
  readonly before: Inode | undefined;
  readonly after: Inode | undefined;
}
/** Changes that reach the disk together or not at all: both sides of a rename. */
export type Transaction = readonly Change[];

/** The changes that must reach the disk with those that `touches` names: all that they build on. */
export function neededBy(
  pending: readonly Transaction[],
  touches: (change: Change) => boolean,
  journal: Journal,
): ReadonlySet<Transaction> {
  const needed = new Set<Transaction>();
  const objects = new Set<Inode>();
  for (const transaction of pending.toReversed()) {
    const wanted =
      transaction.some((change) => touches(change) || objectsOf(change).some((inode) => objects.has(inode))) ||
      (journal === "ordered" && needed.size > 0);
    if (!wanted) continue;
    needed.add(transaction);
    for (const inode of transaction.flatMap(objectsOf)) objects.add(inode);
  }
  return needed;
}

/** The un-synced changes that a power loss leaves. */
export function survivorsOf(pending: readonly Transaction[], random: Random, journal: Journal): readonly Transaction[] {
  if (journal === "ordered") return pending.slice(0, random.integer(pending.length + 1));
  // A change that builds on a lost one is lost too: no directory has two parents after a crash.
  const lostObjects = new Set<Inode>();
  const lostNames = new Map<Inode, Set<string>>();
  return pending.filter((transaction) => {
    const blocked = transaction.some(
      (change) =>
        objectsOf(change).some((inode) => lostObjects.has(inode)) ||
        lostNames.get(change.directory)?.has(change.name) === true,
    );
    if (!blocked && random.chance(0.5)) return true;
    for (const change of transaction) {
      for (const inode of objectsOf(change)) lostObjects.add(inode);
      lostNames.set(change.directory, (lostNames.get(change.directory) ?? new Set()).add(change.name));
    }
    return false;
  });
}

function objectsOf(change: Change): readonly Inode[] {
  return [change.before, change.after].filter((inode) => inode !== undefined);
}

export function applyToDisk(transaction: Transaction): void {
  for (const { directory, name, before } of transaction) {
    if (before !== undefined && directory.durableEntries.get(name) === before) directory.durableEntries.delete(name);
  }
  for (const { directory, name, after } of transaction) {
    if (after !== undefined) directory.durableEntries.set(name, after);
  }
}

/** What a power loss leaves of an inode that was not synced: attributes fall back or not, content falls back, stays, or is torn. */
export function forget(inode: Inode, random: Random): void {
  if (random.chance(0.5)) {
    const { mode, owner, group, modified_ms } = inode.durable;
    Object.assign(inode, { mode, owner, group, modified_ms });
  }
  if (inode.content !== inode.durable.content) {
    const fate = random.integer(3);
    if (fate === 0) inode.content = inode.durable.content;
    // A filesystem that was on the disk is not lost with a change of its image's size.
    else if (fate === 1 && formatOf(inode.durable) === undefined)
      inode.content = cutContent(inode.content, random.integer(contentSize(inode.content) + 1));
  }
  inode.durable = durableState(inode);
}
