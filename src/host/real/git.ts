import { existsSync, lstatSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { Git, GitLocation, GitTreeEntry } from "../ports.ts";
import { runGit, tryGit } from "./git-command.ts";
import { fetchMirror } from "./git-mirror.ts";

export interface GitOptions {
  /** Added to git's environment for transports: GIT_SSH_COMMAND, proxies. Set on the host, never by a repository. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The git port on simple-git. Reading leaves every byte of a repository as it was. */
export function createGit(options: GitOptions = {}): Git {
  return {
    discover,
    resolve,
    listTree,
    readBlobs,
    uncommitted,
    worktreeFiles,
    fetch: (mirror, url, branch) => fetchMirror({ mirror, url, branch, environment: options.environment ?? {} }),
  };
}

async function discover(directory: string): ReturnType<Git["discover"]> {
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

async function resolve(location: GitLocation): ReturnType<Git["resolve"]> {
  for (const [what, text] of [
    ["ref", location.ref],
    ["path", location.path],
  ] as const) {
    if (text.includes("\n")) throw new RootloomError(`cannot look up the ${what}: it holds a line break`);
  }
  const [commit, tree] = await readObjects(location.repository, [
    `${location.ref}^{commit}`,
    `${location.ref}^{commit}:${location.path}`,
  ]);
  if (commit === undefined) return undefined;
  return { commit: commit.oid, treeHash: tree?.type === "tree" ? tree.oid : undefined, ...parseCommit(commit.content) };
}

async function listTree(repository: string, treeHash: string): Promise<readonly GitTreeEntry[]> {
  const { output } = await runGit({
    directory: repository,
    arguments: ["ls-tree", "-r", "-z", "-l", "--full-tree", treeHash],
  });
  return records(output).map((record) => {
    const [description = "", path = ""] = splitOnce(record, "\t");
    const [mode = "", , oid = "", size = ""] = description.split(/ +/);
    return { mode, oid, size: size === "-" ? 0 : Number(size), path };
  });
}

async function readBlobs(repository: string, oids: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const objects = await readObjects(repository, oids);
  const blobs = new Map<string, Uint8Array>();
  for (const [index, oid] of oids.entries()) {
    const object = objects[index];
    if (object?.type !== "blob") {
      throw new RootloomError(`cannot read file ${oid} from ${repository}: the repository does not hold it`, {
        hint: `a partial clone or a damaged one: git -C ${repository} fsck, or make a full clone`,
      });
    }
    blobs.set(oid, object.content);
  }
  return blobs;
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

interface GitObject {
  readonly oid: string;
  readonly type: string;
  readonly content: Buffer;
}

/** Objects by any name git knows, one process for all; undefined where there is none. */
async function readObjects(repository: string, names: readonly string[]): Promise<readonly (GitObject | undefined)[]> {
  if (names.length === 0) return [];
  const { output } = await runGit({
    directory: repository,
    arguments: ["cat-file", "--batch"],
    input: `${names.join("\n")}\n`,
  });
  const objects: (GitObject | undefined)[] = [];
  for (let position = 0; position < output.length; ) {
    const end = output.indexOf(0x0a, position);
    const header = /^([0-9a-f]+) (commit|tree|blob|tag) (\d+)$/.exec(output.toString("latin1", position, end));
    position = end + 1;
    if (header === null) {
      objects.push(undefined);
      continue;
    }
    const [, oid = "", type = "", size = "0"] = header;
    objects.push({ oid, type, content: output.subarray(position, position + Number(size)) });
    position += Number(size) + 1;
  }
  return objects;
}

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
