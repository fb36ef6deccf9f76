import { createHash, hash } from "node:crypto";
import type { FileStat, Files } from "../host/ports.ts";
import { openBeside } from "./beside.ts";
import { fill } from "./content.ts";
import { HASH_CHUNK_BYTES, HashTable, RECORD_BYTES } from "./hash-table.ts";

/** A file that changed this short a time before it was hashed can change again within one tick of ctime. */
export const SETTLED_AFTER_MS = 2_000;
/** The sha256 is that of all that follows: keys and hashes, 16 and 32 bytes each. */
const FIRST_LINE = /^# rootloom hashes 2 ([0-9a-f]{64})\n$/;
const FIRST_LINE_BYTES = 85;
const UNSEEN_KEPT = 10_000;

/** Content hashes by key (a stamp of inode, size, mtime and ctime), kept in one file for one filesystem. */
export interface HashCache {
  readonly get: (key: string) => string | undefined;
  /** Remembers a hash unless the file is too young to be trusted. `now_ms` is the time before it was read. */
  readonly set: (key: string, sha256: string, stat: FileStat, now_ms: number) => void;
  /** Writes the file when it would differ; hashes long unseen are dropped once they outnumber the others. */
  readonly save: () => void;
}

/** Opens the cache of `identity`; one that is damaged counts as empty. */
export function openHashCache(files: Files, cache: string, identity: string): HashCache {
  const path = hashCachePath(cache, identity);
  const known = load(files, path) ?? new HashTable();
  let changed = false;
  return {
    get: (key) => known.get(contentKey(key)),
    set(key, sha256, stat, now_ms) {
      if (stat.changed_ms + SETTLED_AFTER_MS > now_ms) return;
      known.set(contentKey(key), sha256);
      changed = true;
    },
    save() {
      if (!changed) return;
      files.makeDirectories(path.slice(0, path.lastIndexOf("/")), 0o700);
      const all = known.count <= 2 * known.seenCount + UNSEEN_KEPT;
      const output = openBeside(files, path, 0o600);
      try {
        const digest = createHash("sha256");
        for (const part of known.records(all)) digest.update(part);
        output.writer.write(Buffer.from(`# rootloom hashes 2 ${digest.digest("hex")}\n`));
        for (const part of known.records(all)) output.writer.write(part);
        output.commitUnsynced();
      } catch (thrown) {
        output.discard();
        throw thrown;
      }
      changed = false;
    },
  };
}

const last = { key: "", digest: hash("sha256", "", "latin1") };

/** What a key is known by in tables: 32 bytes, one a character. What was asked for last is asked for again more often than not. */
export function contentKey(key: string): string {
  if (last.key !== key) {
    last.digest = hash("sha256", key, "latin1");
    last.key = key;
  }
  return last.digest;
}

/** The file that keeps the hashes of one filesystem. */
export function hashCachePath(cache: string, identity: string): string {
  return `${cache}/hashes/${fileName(identity)}`;
}

function fileName(identity: string): string {
  const name = encodeURIComponent(identity).replace(/\./g, "%2E");
  return name.length <= 200 ? name : hash("sha256", identity);
}

/** Undefined where there is none, or not a whole one. */
function load(files: Files, path: string): HashTable | undefined {
  const reader = files.openReader(path);
  if (!reader) return undefined;
  try {
    const first = Buffer.alloc(FIRST_LINE_BYTES);
    const [, stated] = FIRST_LINE.exec(first.toString("latin1", 0, fill(reader, first, 0))) ?? [];
    if (stated === undefined) return undefined;
    const known = new HashTable();
    const digest = createHash("sha256");
    for (let position = FIRST_LINE_BYTES; ; ) {
      const chunk = Buffer.allocUnsafeSlow(HASH_CHUNK_BYTES);
      const length = fill(reader, chunk, position);
      if (length === 0) return digest.digest("hex") === stated ? known : undefined;
      if (length % RECORD_BYTES !== 0) return undefined;
      digest.update(chunk.subarray(0, length));
      known.load(chunk, length);
      position += length;
    }
  } finally {
    reader.close();
  }
}
