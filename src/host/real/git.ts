import { existsSync, lstatSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { BlobTaker, Git, GitLocation } from "../ports.ts";
import { runGit, tryGit } from "./git-command.ts";
import { fetchMirror } from "./git-mirror.ts";
import { createObjectReader, type GitObject, type ReadObjects } from "./git-objects.ts";
import { placeStamp } from "./git-stamp.ts";
import { Trees } from "./git-tree.ts";

export interface GitOptions {
  /** Added to git's environment for transports: GIT_SSH_COMMAND, proxies. Set on the host, never by a repository. */
  readonly environment?: Readonly<Record<string, string>>;
}

type Discovered = Awaited<ReturnType<Git["discover"]>>;

/**
 * The git port: one git that is kept for the objects, and simple-git for the rest. Reading leaves every byte of a
 * repository as it was.
 */
export function createGit(options: GitOptions = {}): Git {
  const readObjects = createObjectReader();
  const trees = new Trees(readObjects);
  return {
    discover: rememberPlaces(discover),
    resolve: (location) => resolve(location, readObjects, trees),
    listTree: (repository, treeHash) => trees.list(repository, treeHash),
    readBlobs: (repository, oids, taker) => readBlobs(repository, oids, taker, readObjects),
    uncommitted,
    worktreeFiles,
    fetch: (mirror, url, branch) => fetchMirror({ mirror, url, branch, environment: options.environment ?? {} }),
  };
}

/** A repository that was found stays where it is while nothing has changed that decides about it. */
function rememberPlaces(find: Git["discover"]): Git["discover"] {
  const known = new Map<string, { readonly stamp: string; readonly found: NonNullable<Discovered> }>();
  return async (directory) => {
    const last = known.get(directory);
    if (last !== undefined && placeStamp(directory, last.found.gitDirectory) === last.stamp) return last.found;
    known.clear(); // a source is one directory: more would only pile up
    const found = await find(directory);
    if (found !== undefined) known.set(directory, { found, stamp: placeStamp(directory, found.gitDirectory) });
    return found;
  };
}

async function discover(directory: string): Promise<Discovered> {
  const answer = await tryGit({
    directory,
    arguments: ["rev-parse", "--is-inside-work-tree", "--show-prefix", "--absolute-git-dir"],
  });
  if (!("output" in answer)) {
    if (answer.exitCode > 0 && !hasRepositoryAbove(directory)) return undefined;
    throw new RootloomError(`cannot read the git repository of ${directory}: ${answer.lastLine}`, {
      hint:
        answer.exitCode < 0
          ? "check that git is installed: apt-get install git"
          : `see what git says: git -C ${directory} status`,
    });
  }
  const [inside, prefix, gitDirectory, ...rest] = answer.output.toString().split("\n");
  if (gitDirectory === undefined || prefix === undefined || rest.join("") !== "") {
    throw new RootloomError(`cannot use the git repository of ${directory}: its path holds a line break`, {
      hint: "move the repository to a path without line breaks",
    });
  }
  if (inside !== "true") return { repository: gitDirectory, bare: true, top: gitDirectory, gitDirectory };
  // The prefix is the way down from the top, with a slash at its end: one level up for each.
  const top = join(
    realpathSync(directory),
    ...prefix
      .split("/")
      .slice(1)
      .map(() => ".."),
  );
  return { repository: top, bare: false, top, gitDirectory };
}

/** git gives the same exit code for "no repository" and for a damaged one. */
function hasRepositoryAbove(directory: string): boolean {
  for (let at = directory; ; at = dirname(at)) {
    if (existsSync(join(at, ".git")) || (existsSync(join(at, "HEAD")) && existsSync(join(at, "objects")))) return true;
    if (at === dirname(at)) return false;
  }
}

async function resolve(location: GitLocation, readObjects: ReadObjects, trees: Trees): ReturnType<Git["resolve"]> {
  for (const [what, text] of [
    ["ref", location.ref],
    ["path", location.path],
  ] as const) {
    if (text.includes("\n")) throw new RootloomError(`cannot look up the ${what}: it holds a line break`);
  }
  const names = [`${location.ref}^{commit}`, `${location.ref}^{commit}:${location.path}`];
  const found: (GitObject | undefined)[] = [];
  await readObjects(location.repository, names, { take: (_, object) => void found.push(object) });
  const [commit, tree] = found;
  if (commit === undefined) return undefined;
  if (tree?.type === "tree") trees.keep(tree.oid, tree.content);
  return { commit: commit.oid, treeHash: tree?.type === "tree" ? tree.oid : undefined, ...parseCommit(commit.content) };
}

async function readBlobs(
  repository: string,
  oids: readonly string[],
  { wants, take }: BlobTaker,
  readObjects: ReadObjects,
): Promise<void> {
  await readObjects(repository, oids, {
    wants: (index, size_bytes) => wants?.(oids[index] ?? "", size_bytes) ?? true,
    take: (index, object) => {
      const oid = oids[index] ?? "";
      if (object?.type === "blob") return take(oid, object.content);
      throw new RootloomError(`cannot read file ${oid} from ${repository}: the repository does not hold it`, {
        hint: `a partial clone or a damaged one: git -C ${repository} fsck, or make a full clone`,
      });
    },
  });
}

async function uncommitted(location: GitLocation): Promise<readonly string[]> {
  const paths = ["--", location.path === "" ? "." : `:(top,literal)${location.path}`];
  const read = async (...command: readonly string[]): Promise<readonly string[]> => {
    const { repository } = location;
    const { output } = await runGit({
      directory: repository,
      arguments: [...command, ...paths],
      asOwnerOf: ownerOf(repository),
    });
    return records(output);
  };
  // The branch header costs nothing, and simple-git waits 50 ms more for a command that says nothing.
  const status = ["status", "--porcelain=v2", "--branch", "--no-ahead-behind", "-z"];
  const ofHead = await read(...status, "--untracked-files=all", "--no-renames", "--ignore-submodules=all");
  if (location.ref === "HEAD") return sortedPaths(ofHead.flatMap(statusPath));
  const untracked = ofHead.filter((record) => record.startsWith("? ")).flatMap(statusPath);
  const differing = await read(
    ...["diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all"],
    location.ref,
  );
  return sortedPaths([...untracked, ...differing]);
}

async function worktreeFiles(directory: string): Promise<readonly TreePath[]> {
  const { output } = await runGit({
    directory,
    arguments: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
  });
  return [...new Set(records(output))].sort(byBytes);
}

// ---------------------------------------------------------------- reading answers

/** Date (committer's, seconds), subject and author of a raw commit object. */
function parseCommit(content: Buffer): { readonly date_s: number; readonly subject: string; readonly author: string } {
  const [head = "", message = ""] = splitOnce(content.toString("latin1"), "\n\n");
  const field = (name: string): string => new RegExp(`^${name} (.*)$`, "m").exec(head)?.[1] ?? "";
  const encoding = field("encoding") === "" ? "utf-8" : field("encoding");
  const decode = (text: string): string => {
    const label = /^(iso-?8859-?1|latin-?1)$/i.test(encoding) ? "latin1" : "utf-8";
    return new TextDecoder(label).decode(Buffer.from(text, "latin1"));
  };
  return {
    date_s: Number(/ (\d+) [-+]\d+$/.exec(field("committer"))?.[1] ?? 0),
    subject: decode(message.trimStart().split("\n")[0] ?? ""),
    author: decode(field("author").replace(/ \d+ [-+]\d+$/, "")),
  };
}

/** Path of one record of `status --porcelain=v2 -z`; headers have none. */
function statusPath(record: string): readonly string[] {
  // Fields before the path: "1 XY sub mH mI mW hH hI path", "u XY sub m1 m2 m3 mW h1 h2 h3 path", "? path".
  const fields = { "1": 8, u: 10, "?": 1 }[record[0] ?? ""];
  return fields === undefined ? [] : [record.split(" ").slice(fields).join(" ")];
}

/** NUL-ended records, one byte a character. */
function records(output: Buffer): readonly string[] {
  const text = output.toString("latin1");
  return text === "" ? [] : text.slice(0, -1).split("\0");
}

function sortedPaths(paths: readonly TreePath[]): readonly string[] {
  return [...new Set(paths)].sort(byBytes).map(showPath);
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function splitOnce(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

function ownerOf(repository: string): string {
  const inside = join(repository, ".git");
  return existsSync(inside) && lstatSync(inside).isDirectory() ? inside : repository;
}
