import { dirname } from "node:path";
import type { FileStat, Files } from "./host/ports.ts";

export interface CachePlace {
  readonly files: Files;
  /** Numeric id of the effective user. */
  readonly userId: number;
  /** Absolute path of the cache that is configured. */
  readonly wanted: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * The configured cache, or one of this user's own where that one is somebody else's: `$XDG_CACHE_HOME/rootloom`,
 * `~/.cache/rootloom`, else a private folder below /tmp. Two users never share a cache: neither could read
 * what the other wrote, and root would take for checked what somebody else can change.
 */
export function usableCache({ files, userId, wanted, environment }: CachePlace): string {
  const { XDG_CACHE_HOME, HOME } = environment;
  const own = [XDG_CACHE_HOME, HOME === undefined || HOME === "" ? undefined : `${HOME}/.cache`]
    .filter((folder) => folder?.startsWith("/") === true)
    .map((folder) => `${folder}/rootloom`);
  const places = [wanted, ...own, `/tmp/rootloom-cache-${userId}`];
  return places.find((path) => isUsable(files, path, userId)) ?? wanted;
}

/** One that is there must be this user's; one that is not must be possible to make. */
function isUsable(files: Files, path: string, userId: number): boolean {
  const stat = look(files, path);
  if (stat === "denied") return false;
  if (stat !== undefined) return isOwnFolder(stat, userId);
  for (let at = dirname(path); ; at = dirname(at)) {
    const above = look(files, files.realPath(at) ?? at);
    if (above === "denied") return false;
    if (above !== undefined) return userId === 0 || isOwnFolder(above, userId) || (above.mode & 0o003) === 0o003;
    if (at === "/") return false;
  }
}

function isOwnFolder({ type, owner, mode }: FileStat, userId: number): boolean {
  return type === "directory" && owner === userId && (userId === 0 || (mode & 0o300) === 0o300);
}

function look(files: Files, path: string): FileStat | "denied" | undefined {
  try {
    return files.stat(path);
  } catch {
    return "denied";
  }
}
