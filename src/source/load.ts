import { asRootloomError, RootloomError } from "../core/error.ts";
import type { Host } from "../host/ports.ts";
import { createBlobCache } from "./blobs.ts";
import { type Located, locate } from "./locate.ts";
import { describeFiles } from "./texts.ts";
import { loadTree } from "./tree.ts";
import type { LoadedSource, SourceOptions, SourceStatus } from "./types.ts";
import { loadWorktree } from "./worktree.ts";

/**
 * Binds a pass to one commit: the files of `desired/` at the configured ref, by tree hash. The repository is
 * only read; contents are copied once into the cache, and a tree that was loaded before costs one question to git.
 *
 * A remote is fetched first. When that fails and a commit was fetched before, that one stays in force and `stale` says so.
 * @throws RootloomError where there is no repository, no commit or no such folder at the ref.
 */
export async function loadSource(host: Host, options: SourceOptions): Promise<LoadedSource> {
  if (options.worktree) {
    return { snapshot: await loadWorktree(host, options), status: async () => ({ uncommitted: [], notes: [] }) };
  }
  const fetchProblem = await fetchRemote(host, options);
  const located = await locate(host, options);
  const { location } = located;
  const resolved = await host.git.resolve(location).catch((thrown) => {
    throw fetchProblem ?? thrown;
  });
  if (resolved === undefined) throw fetchProblem ?? noCommit(options, located);
  const { commit, treeHash, subject, author } = resolved;
  if (treeHash === undefined) throw noFolder(located, commit);

  const blobs = createBlobCache(host, options.cache);
  const stale = fetchProblem && `${fetchProblem.message}; commit ${commit.slice(0, 12)} stays in force`;
  const tree = await loadTree(host, { repository: location.repository, treeHash, cache: options.cache, blobs });
  const snapshot = {
    revision: commit,
    treeHash,
    subject,
    author,
    prefix: location.path,
    ...(stale === undefined ? {} : { stale }),
    ...describeFiles(tree, location.path, blobs),
  };
  const status = async (): Promise<SourceStatus> => {
    const { uncommitted, notes } = await readStatus(host, located);
    return { uncommitted, notes: [stale ?? [], notes].flat() };
  };
  return { snapshot, status };
}

async function fetchRemote(host: Host, options: SourceOptions): Promise<RootloomError | undefined> {
  if (options.remote === undefined) return undefined;
  const { mirror, url, branch } = options.remote;
  try {
    await host.git.fetch(mirror, url, branch);
    return undefined;
  } catch (thrown) {
    return asRootloomError(thrown);
  }
}

/** What is edited and not committed is told, never applied: not knowing it stops nothing. */
async function readStatus(host: Host, { location, bare }: Located): Promise<SourceStatus> {
  if (bare) return { uncommitted: [], notes: [] };
  try {
    return { uncommitted: await host.git.uncommitted(location), notes: [] };
  } catch (thrown) {
    return { uncommitted: [], notes: [`cannot tell what is uncommitted: ${asRootloomError(thrown).message}`] };
  }
}

function noCommit(options: SourceOptions, { location, bare }: Located): RootloomError {
  const { repository, ref, path } = location;
  if (ref !== "HEAD") {
    return new RootloomError(`cannot load ${ref} of ${repository}: there is no such commit`, {
      hint: `list what there is: git -C ${repository} branch --all, then name one with --ref`,
    });
  }
  const commit = bare
    ? "push a commit to it"
    : `git -C ${repository} add ${path || "."} && git -C ${repository} commit`;
  return new RootloomError(
    `cannot load ${options.repository ?? options.desired}: its repository has no commit at HEAD yet`,
    {
      hint: `${commit}; where the commits are on another branch, name it with --ref BRANCH`,
    },
  );
}

function noFolder({ location, bare }: Located, commit: string): RootloomError {
  const { repository, ref, path } = location;
  return new RootloomError(
    `cannot load ${path} at ${ref} (${commit.slice(0, 12)}) of ${repository}: that commit has no such folder`,
    {
      hint: bare
        ? "commit and push it, or name the folder inside the repository with --path"
        : `commit it: git -C ${repository} add ${path} && git -C ${repository} commit`,
    },
  );
}
