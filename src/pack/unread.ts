import { hash } from "node:crypto";
import type { FileStat, JobContext } from "../host/ports.ts";
import { changedWhileRead, fill, hashContent } from "./content.ts";
import type { EntryTable } from "./entry-table.ts";
import { contentKey, type HashCache } from "./hash-cache.ts";
import type { PackEntry } from "./types.ts";

/**
 * Files of a tree that were listed and whose content nobody has read yet. Each is read once: into the segment that
 * holds it, and hashed from there. An entry has no hash until then, and with it its segment has no key.
 */
export class UnreadContents {
  readonly #table: EntryTable;
  #count: number;
  readonly #treePath: string;
  readonly #hashes: HashCache;
  readonly #context: Pick<JobContext, "files" | "now_ms">;

  /** @param table keeps with each of `count` files what its stamp was when it was listed: its content belongs to no other. */
  constructor(
    context: Pick<JobContext, "files" | "now_ms">,
    treePath: string,
    hashes: HashCache,
    table: EntryTable,
    count: number,
  ) {
    this.#context = context;
    this.#treePath = treePath;
    this.#hashes = hashes;
    this.#table = table;
    this.#count = count;
  }

  get count(): number {
    return this.#count;
  }

  has(entry: PackEntry): boolean {
    return entry.slot !== undefined && entry.sha256 === "";
  }

  /**
   * Reads an entry's content into `into`, which has its size, and gives the entry its hash.
   * @throws RootloomError, transient, when the file is not as it was listed.
   */
  readInto(entry: PackEntry, into: Uint8Array): void {
    const start_ms = this.#context.now_ms();
    const reader = this.#context.files.openTreeReader(this.#treePath, entry.path);
    if (!reader) throw changedWhileRead(entry.path);
    try {
      const length = fill(reader, into, 0);
      // The stamp after the reading is that of the listing before it: nothing came in between.
      const stat = reader.stat();
      if (length !== into.length || !this.#isAsListed(entry, stat)) throw changedWhileRead(entry.path);
      this.#learn(entry, hash("sha256", into), stat, start_ms);
    } finally {
      reader.close();
    }
  }

  /** Gives an entry its hash, for one that is too large for memory or in no segment. */
  hash(entry: PackEntry): void {
    const { files, now_ms } = this.#context;
    const start_ms = now_ms();
    const { sha256, stat } = hashContent(() => files.openTreeReader(this.#treePath, entry.path), entry.path);
    if (!this.#isAsListed(entry, stat)) throw changedWhileRead(entry.path);
    this.#learn(entry, sha256, stat, start_ms);
  }

  /** Hashes whatever is left, and keeps what was learnt. */
  finish(): void {
    if (this.#count > 0) for (const entry of this.#table) if (this.has(entry)) this.hash(entry);
    this.#hashes.save();
  }

  #isAsListed({ slot }: PackEntry, { stamp }: FileStat): boolean {
    return slot !== undefined && this.#table.unreadKey(slot) === contentKey(stamp);
  }

  #learn(entry: PackEntry, sha256: string, stat: FileStat, start_ms: number): void {
    entry.sha256 = sha256;
    this.#table.learn(entry.slot ?? 0, sha256);
    this.#hashes.set(stat.stamp, sha256, stat, start_ms);
    this.#count--;
  }
}
