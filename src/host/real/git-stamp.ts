import { type BigIntStats, lstatSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/**
 * What a git that goes on running has read once and would not read again: while this is the same, it answers as a new one
 * would. Refs and loose objects are not in it, for git looks at those each time.
 */
export function repositoryStamp(repository: string): string {
  const { own, common } = gitDirectories(repository);
  const inOwn = ["config.worktree", "commondir"].map((name) => join(own, name));
  const inCommon = ["config", "shallow", "info/grafts", "objects", "objects/info/alternates", "objects/pack"];
  return [repository, own, common, ...inOwn, ...inCommon.map((name) => join(common, name))].map(stampOf).join(" ");
}

/** What decides which repository a directory lies in: whatever could be one on the way up, and the settings of the one found. */
export function placeStamp(directory: string, gitDirectory: string): string {
  const parts: string[] = [];
  for (let at = realpathSync(directory); ; at = dirname(at)) {
    parts.push(at, stampOf(at), stampOf(join(at, ".git")), String(exists(join(at, "HEAD"))));
    if (at === dirname(at)) break;
  }
  return [...parts, repositoryStamp(gitDirectory)].join(" ");
}

/** The directory of a repository, of a linked work tree its own and that of the main one. */
function gitDirectories(repository: string): { readonly own: string; readonly common: string } {
  const inside = join(repository, ".git");
  const stat = lookAt(inside);
  const pointed = stat?.isFile() ? /^gitdir: (.*)/.exec(read(inside))?.[1] : undefined;
  const own = pointed === undefined ? (stat === undefined ? repository : inside) : resolve(repository, pointed);
  const common = exists(join(own, "commondir")) ? resolve(own, read(join(own, "commondir")).trim()) : own;
  return { own, common };
}

/** Of a directory whose members are read anew each time only which one it is; of packs and files every change. */
function stampOf(path: string): string {
  const stat = lookAt(path);
  if (stat === undefined) return "-";
  const which = `${stat.dev}:${stat.ino}`;
  if (stat.isDirectory() && !path.endsWith("/pack")) return which;
  return `${which}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}

function exists(path: string): boolean {
  return lookAt(path) !== undefined;
}

function lookAt(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined; // below a file, or not for us to see: git says which
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
