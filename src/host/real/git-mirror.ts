import { existsSync, lstatSync, mkdirSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { RootloomError } from "../../core/error.ts";
import { runGit, tryTransfer } from "./git-command.ts";

export interface Fetch {
  /** Bare repository of our own, made when it is not there. */
  readonly mirror: string;
  readonly url: string;
  readonly branch: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** A ref lock of ours that is older than this was left by a kill. */
const STALE_LOCK_MS = 15 * 60_000;
/** Of a remote, which may prepare for long before it sends. */
const SILENCE_MS = 120_000;
const PROTOCOLS = "file:git:http:https:ssh";

/**
 * Brings the branch of the mirror up to the remote's, forward only. The new tip arrives under a ref of its
 * own; the branch moves when it is an ancestor of that, so that a rewritten remote never moves it.
 */
export async function fetchMirror(fetch: Fetch): Promise<void> {
  const { mirror, branch } = fetch;
  requireBranchName(branch);
  await prepare(mirror);
  const current = `refs/heads/${branch}`;
  const incoming = `refs/rootloom/incoming/${branch}`;
  await receive(fetch, `+${current}:${incoming}`);

  const { output } = await runGit({
    directory: mirror,
    arguments: ["cat-file", "--batch-check=%(objectname)"],
    input: `${incoming}\n${current}\n`,
  });
  const [next = "", last = ""] = output.toString().split("\n");
  if (next === last) return;
  const isFirst = !/^[0-9a-f]+$/.test(last);
  if (!isFirst) await requireAncestor(fetch, last, next);
  await runGit({ directory: mirror, arguments: ["update-ref", current, next, isFirst ? "" : last] });
}

async function prepare(mirror: string): Promise<void> {
  try {
    mkdirSync(mirror, { recursive: true, mode: 0o700 });
    removeStaleLocks(mirror);
  } catch (thrown) {
    throw new RootloomError(`cannot write the mirror ${mirror}: ${thrown instanceof Error ? thrown.message : thrown}`, {
      hint: "run as the user that owns the cache, or give another one with --cache",
      cause: thrown,
    });
  }
  if (existsSync(join(mirror, "HEAD"))) return;
  await runGit({ directory: mirror, arguments: ["init", "--quiet", "--bare", mirror] });
}

async function receive(fetch: Fetch, refspec: string): Promise<void> {
  const command = {
    directory: fetch.mirror,
    arguments: [
      ...["fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"],
      ...["--", fetch.url, refspec],
    ],
    protocols: PROTOCOLS,
    environment: fetch.environment,
  };
  const failure = await tryTransfer(command, SILENCE_MS);
  if (failure === undefined) return;
  const shown = showUrl(fetch.url);
  throw new RootloomError(
    `cannot fetch branch ${fetch.branch} of ${shown}: ${failure.lastLine.replaceAll(fetch.url, shown)}`,
    {
      retry: "transient",
      hint: "check the address, the branch and the network; the last fetched commit stays in force",
    },
  );
}

async function requireAncestor(fetch: Fetch, last: string, next: string): Promise<void> {
  const { exitCode } = await runGit({
    directory: fetch.mirror,
    arguments: ["merge-base", "--is-ancestor", last, next],
    accept: [0, 1],
  });
  if (exitCode === 0) return;
  throw new RootloomError(
    `cannot follow branch ${fetch.branch} of ${showUrl(fetch.url)}: its history was rewritten (${next.slice(0, 12)} does not contain ${last.slice(0, 12)})`,
    { hint: `push a commit on top of ${last.slice(0, 12)}; to accept the rewritten history, remove ${fetch.mirror}` },
  );
}

/** The address without its password: it stands in messages. */
export function showUrl(url: string): string {
  return url.replace(/^([a-z+]+:\/\/)[^/@]*@/i, "$1***@");
}

function requireBranchName(branch: string): void {
  if (/^[^-/.][^\s~^:?*[\\\x00-\x20\x7f]*$/.test(branch) && !branch.includes("..")) return;
  throw new RootloomError(`cannot fetch branch ${JSON.stringify(branch)}: it is not a branch name`, {
    hint: "give a plain branch name, such as main",
  });
}

/** A fetch that was killed leaves lock files, which would stop every later one. */
function removeStaleLocks(mirror: string): void {
  const names = readdirSync(mirror, { recursive: true, encoding: "utf8" });
  for (const name of names.filter((candidate) => candidate.endsWith(".lock"))) {
    const path = join(mirror, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat !== undefined && Date.now() - stat.mtimeMs > STALE_LOCK_MS) unlinkSync(path);
  }
}
