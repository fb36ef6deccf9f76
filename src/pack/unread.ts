import { hash } from "node:crypto";
import type { FileStat, JobContext } from "../host/ports.ts";
import { changedWhileRead, fill, hashContent } from "./content.ts";
import type { HashCache } from "./hash-cache.ts";
import type { PackEntry } from "./types.ts";

/**
 * Files of a tree that were listed and whose content nobody has read yet. Each is read once: into the segment that
 * holds it, and hashed from there. An entry has no hash until then, and with it its segment has no key.
 */
export class UnreadContents {
  readonly #stamps = new Map<PackEntry, string>();
  readonly #treePath: string;
  readonly #hashes: HashCache;
  readonly #context: Pick<JobContext, "files" | "now_ms">;

  constructor(context: Pick<JobContext, "files" | "now_ms">, treePath: string, hashes: HashCache) {
    this.#context = context;
    this.#treePath = treePath;
    this.#hashes = hashes;
  }

  get count(): number {
    return this.#stamps.size;
  }

  has(entry: PackEntry): boolean {
    return this.#stamps.has(entry);
  }

  /** @param stamp of the file as the walk saw it: its content belongs to no other. */
  expect(entry: PackEntry, stamp: string): void {
    this.#stamps.set(entry, stamp);
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
      if (length !== into.length || stat.stamp !== this.#stamps.get(entry)) throw changedWhileRead(entry.path);
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
    if (stat.stamp !== this.#stamps.get(entry)) throw changedWhileRead(entry.path);
    this.#learn(entry, sha256, stat, start_ms);
  }

  /** Hashes whatever is left, and keeps what was learnt. */
  finish(): void {
    for (const entry of [...this.#stamps.keys()]) this.hash(entry);
    this.#hashes.save();
  }

  #learn(entry: PackEntry, sha256: string, stat: FileStat, start_ms: number): void {
    entry.sha256 = sha256;
    this.#hashes.set(stat.stamp, sha256, stat, start_ms);
    this.#stamps.delete(entry);
  }
}
