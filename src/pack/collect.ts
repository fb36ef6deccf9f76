import { posix } from "node:path";
import type { Files, JobContext } from "../host/ports.ts";

export interface CollectInput {
  readonly cache: string;
  /** What was not used for longer than this goes. */
  readonly age_s: number;
  /** Of each cache, what is beyond this goes too, the longest unused first. */
  readonly limit_bytes: number;
  /** Absolute paths that stay whatever their age. */
  readonly keep: readonly string[];
  readonly dryRun: boolean;
}

/** What one directory of the caches holds, and how much of it goes. */
export interface Collected {
  readonly name: string;
  readonly files: number;
  readonly size_bytes: number;
  readonly removedFiles: number;
  readonly removed_bytes: number;
}

/**
 * Every cache that can be made again from git, the roots and the network. `mirrors` is none of them: it is the last
 * good state of a remote. Contents of files in git (`blobs`) stay as long as an index in `trees` names them.
 */
const COLLECTED = [
  "trees",
  "blobs",
  "segments",
  "answers",
  "hashes",
  "tarballs",
  "sources",
  "downloads",
  "node",
] as const;
/** Nobody writes one file for a day. */
const PARTIAL_AGE_S = 86_400;

interface CachedFile {
  readonly path: string;
  readonly size: number;
  /** Of its last writing or use. */
  readonly used_s: number;
}

/** Removes what is too old, then what is too much; the next pass makes again what it needs. */
export function collectCaches(context: Pick<JobContext, "files" | "now_ms">, input: CollectInput): Collected[] {
  const { files, now_ms } = context;
  const now_s = now_ms() / 1000;
  const collected: Collected[] = [];
  const gone = new Set<string>();
  for (const name of COLLECTED) {
    const found = filesBelow(files, `${input.cache}/${name}`);
    const keep = new Set([...input.keep, ...(name === "blobs" ? namedBlobs(files, input.cache, gone) : [])]);
    const going = tooOldOrTooMuch(found, keep, input, now_s);
    for (const { path } of going) {
      gone.add(path);
      if (!input.dryRun) files.removeFile(path);
    }
    collected.push({
      name,
      files: found.length,
      size_bytes: sizeOf(found),
      removedFiles: going.length,
      removed_bytes: sizeOf(going),
    });
  }
  return collected;
}

function tooOldOrTooMuch(
  found: readonly CachedFile[],
  keep: ReadonlySet<string>,
  { age_s, limit_bytes }: CollectInput,
  now_s: number,
): CachedFile[] {
  let total_bytes = sizeOf(found);
  const going: CachedFile[] = [];
  for (const file of [...found].sort((a, b) => a.used_s - b.used_s)) {
    const isPartial = file.path.endsWith(".partial");
    const isOld = file.used_s + (isPartial ? PARTIAL_AGE_S : age_s) < now_s;
    const isTooMuch = total_bytes > limit_bytes && !isPartial;
    if (keep.has(file.path) || !(isOld || isTooMuch)) continue;
    going.push(file);
    total_bytes -= file.size;
  }
  return going;
}

/** Contents that the indexes which stay speak of: the current commit's is among them, since each load notes its use. */
function namedBlobs(files: Files, cache: string, gone: ReadonlySet<string>): readonly string[] {
  return (files.list(`${cache}/trees`) ?? []).flatMap((name) => {
    const path = `${cache}/trees/${name}`;
    const text = gone.has(path) ? "" : (files.readText(path) ?? "");
    const oids = text.match(/\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b/g) ?? [];
    return oids.map((oid) => posix.join(cache, "blobs", oid.slice(0, 2), oid));
  });
}

function filesBelow(files: Files, directory: string): readonly CachedFile[] {
  return (files.list(directory) ?? []).flatMap((name) => {
    const path = `${directory}/${name}`;
    const stat = files.stat(path);
    if (stat?.type === "directory") return filesBelow(files, path);
    return stat?.type === "file" ? [{ path, size: stat.size, used_s: stat.modified_s }] : [];
  });
}

function sizeOf(files: readonly CachedFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
