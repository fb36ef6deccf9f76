import { hash } from "node:crypto";
import type { FileStat, Files } from "../host/ports.ts";
import { openBeside } from "./beside.ts";

/** A file that changed this short a time before it was hashed can change again within one tick of ctime. */
export const SETTLED_AFTER_MS = 2_000;
const FIRST_LINE = /^# rootloom hashes 1 ([0-9a-f]{64})$/;
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
  const known = load(files, path);
  const seen = new Set<string>();
  let changed = false;
  return {
    get(key) {
      const found = known.get(key);
      if (found !== undefined) seen.add(key);
      return found;
    },
    set(key, sha256, stat, now_ms) {
      if (stat.changed_ms + SETTLED_AFTER_MS > now_ms) return;
      known.set(key, sha256);
      seen.add(key);
      changed = true;
    },
    save() {
      if (!changed) return;
      files.makeDirectories(path.slice(0, path.lastIndexOf("/")), 0o700);
      const keepUnseen = known.size <= 2 * seen.size + UNSEEN_KEPT;
      const output = openBeside(files, path, 0o600);
      try {
        output.writer.write(render(known, (key) => keepUnseen || seen.has(key)));
        output.commitUnsynced();
      } catch (thrown) {
        output.discard();
        throw thrown;
      }
      changed = false;
    },
  };
}

/** The file that keeps the hashes of one filesystem. */
export function hashCachePath(cache: string, identity: string): string {
  return `${cache}/hashes/${fileName(identity)}`;
}

function fileName(identity: string): string {
  const name = encodeURIComponent(identity).replace(/\./g, "%2E");
  return name.length <= 200 ? name : hash("sha256", identity);
}

function render(known: ReadonlyMap<string, string>, keep: (key: string) => boolean): Uint8Array {
  const lines: string[] = [];
  for (const [key, sha256] of known) if (keep(key)) lines.push(`${sha256}${key}\n`);
  const body = lines.join("");
  return Buffer.from(`# rootloom hashes 1 ${hash("sha256", body)}\n${body}`);
}

function load(files: Files, path: string): Map<string, string> {
  const known = new Map<string, string>();
  const text = files.readText(path);
  if (text === undefined) return known;
  const start = text.indexOf("\n") + 1;
  const body = text.slice(start);
  const digest = FIRST_LINE.exec(text.slice(0, Math.max(0, start - 1)))?.[1];
  if (digest === undefined || digest !== hash("sha256", body)) return known;
  for (const line of body.split("\n")) if (line !== "") known.set(line.slice(64), line.slice(0, 64));
  return known;
}
