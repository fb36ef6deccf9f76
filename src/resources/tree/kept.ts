import { posix } from "node:path";
import type { Files } from "../../host/ports.ts";
import type { ApplyContext } from "../types.ts";

/** A tarball that may be extracted: it was made here, or is what its declaration says. */
export interface Tarball {
  readonly path: string;
  /** Lower-case hex, of the very bytes that were checked. */
  readonly sha256: string;
  /** How it was found to be the right one, for people: `sha512, signed by key ...`; empty for what was made here. */
  readonly verified: string;
}

/** Where what a source gave is kept, `CACHE/sources/KEY.tar`, and what is known of it. */
export interface KeptPaths {
  readonly path: string;
  readonly facts: string;
  readonly folder: string;
}

export function keptPaths(key: string, cache: string): KeptPaths {
  const folder = posix.join(cache, "sources");
  const stem = posix.join(folder, key.replace(":", "-"));
  return { path: `${stem}.tar`, facts: `${stem}.json`, folder };
}

/** What was written down of a source when it was made, fetched or checked; the file itself is not looked at. */
export function readFacts(key: string, cache: string, files: Files): Omit<Tarball, "path"> | undefined {
  try {
    const text = files.readText(keptPaths(key, cache).facts) ?? "{}";
    const { sha256, verified = "" } = JSON.parse(text) as { readonly sha256?: unknown; readonly verified?: unknown };
    return typeof sha256 === "string" && typeof verified === "string" ? { sha256, verified } : undefined;
  } catch {
    return undefined;
  }
}

export function writeFacts(key: string, facts: Omit<Tarball, "path">, context: Pick<ApplyContext, "cache" | "host">) {
  const { files } = context.host;
  const paths = keptPaths(key, context.cache);
  files.makeDirectories(paths.folder);
  const { sha256, verified } = facts;
  files.writeFile(paths.facts, `${JSON.stringify({ key, sha256, verified })}\n`, { owner: 0, group: 0, mode: 0o644 });
}

/** What an earlier run left in the cache, unchecked; undefined when there is none, or nothing is known of it. */
export function readKept(key: string, cache: string, files: Files): Tarball | undefined {
  const { path } = keptPaths(key, cache);
  if (files.stat(path)?.type !== "file") return undefined;
  const facts = readFacts(key, cache, files);
  return facts === undefined ? undefined : { path, ...facts };
}

/** `readKept`, where the file still is what was written down of it. */
export async function checkKept(key: string, context: ApplyContext): Promise<Tarball | undefined> {
  const kept = readKept(key, context.cache, context.host.files);
  if (kept === undefined) return undefined;
  return (await sha256Of(kept.path, context)) === kept.sha256 ? kept : undefined;
}

/** Takes a finished file into the cache under its key. It is synced first; a kill between leaves none, never a wrong one. */
export function keepFile(from: string, key: string, facts: Omit<Tarball, "path">, context: ApplyContext): Tarball {
  const { files } = context.host;
  const paths = keptPaths(key, context.cache);
  files.makeDirectories(paths.folder);
  files.syncFilesystem(posix.dirname(from));
  // The facts are removed first: a tarball without them is not used, one with another's facts must not be.
  if (files.stat(paths.facts) !== undefined) files.removeFile(paths.facts);
  files.rename(from, paths.path);
  writeFacts(key, facts, context);
  return { path: paths.path, ...facts };
}

/** sha256 of a file, undefined where there is none. Of one that did not change since, the cache knows it. */
export async function sha256Of(path: string, context: ApplyContext, trustCache = true): Promise<string | undefined> {
  const { jobs } = context.host;
  const seen = await jobs.run("hash", { path, cache: context.cache, trustCache }, { signal: context.signal });
  return seen?.sha256;
}
