import { showPath, type TreePath, toTreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { Git, GitLocation } from "../ports.ts";
import { contentBytes } from "./content.ts";
import { objectId } from "./git-objects.ts";
import type { Inode } from "./inode.ts";
import { encode, type Kernel } from "./kernel.ts";
import type { FakeRepository } from "./repository.ts";

export interface GitContext {
  readonly kernel: Kernel;
  /** Repositories on this machine, by their top. */
  readonly repositories: Map<string, FakeRepository>;
  /** Repositories elsewhere, by URL. */
  readonly remotes: Map<string, FakeRepository>;
  readonly makeRepository: (top: string, bare: boolean) => FakeRepository;
}

/** The git port over repositories in memory. */
export function createFakeGit(context: GitContext): Git {
  return {
    discover: async (directory) => {
      const repository = repositoryAbove(context, directory);
      if (repository === undefined) return undefined;
      const { top, bare, gitDirectory } = repository;
      return { repository: top, bare, top, gitDirectory };
    },
    resolve: async ({ repository, ref, path }) => {
      const { objects, ...found } = withObjects(repositoryAt(context, repository), ref);
      if (found.commit === undefined) return undefined;
      const { oid, tree, date_s, subject, author } = found.commit;
      return { commit: oid, treeHash: objects.treeAt(tree, path), date_s, subject, author };
    },
    listTree: async (repository, treeHash) => {
      const entries = repositoryAt(context, repository).objects.list(treeHash);
      if (entries === undefined) throw new RootloomError(`cannot list the tree ${treeHash}: ${repository} has none`);
      return entries;
    },
    readBlobs: async (repository, oids, { wants, take }) => {
      const { blobs } = repositoryAt(context, repository).objects;
      for (const oid of oids) {
        const content = blobOf(blobs, oid, repository);
        await take(oid, wants?.(oid, content.length) === false ? new Uint8Array() : content);
      }
    },
    uncommitted: async (location) => uncommitted(context, location),
    worktreeFiles: async (directory) => [...worktree(context.kernel, encode(directory)).keys()].sort(),
    fetch: async (mirror, url, branch) => fetchBranch(context, mirror, url, branch),
  };
}

function withObjects(repository: FakeRepository, ref: string) {
  const oid = repository.resolve(ref);
  const { objects } = repository;
  return { objects, commit: oid === undefined ? undefined : objects.commits.get(oid) };
}

function repositoryAbove(context: GitContext, directory: string): FakeRepository | undefined {
  for (let path = directory; path !== ""; path = path.slice(0, path.lastIndexOf("/"))) {
    const repository = context.repositories.get(path);
    // A checkout whose .git somebody removed is no repository any more.
    if (repository !== undefined && context.kernel.look(encode(repository.gitDirectory)) !== undefined) {
      return repository;
    }
  }
  return undefined;
}

function repositoryAt(context: GitContext, path: string): FakeRepository {
  const repository = repositoryAbove(context, path);
  if (repository === undefined) throw new RootloomError(`cannot read the git repository ${path}: there is none`);
  return repository;
}

function blobOf(blobs: ReadonlyMap<string, Uint8Array>, oid: string, repository: string): Uint8Array {
  const bytes = blobs.get(oid);
  if (bytes === undefined) throw new RootloomError(`cannot read file ${oid} from ${repository}: it does not hold it`);
  return bytes;
}

function uncommitted(context: GitContext, location: GitLocation): readonly string[] {
  const repository = repositoryAt(context, location.repository);
  if (repository.bare) return [];
  const committed = repository.objects.flatten(repository.resolve(location.ref));
  const present = worktree(context.kernel, encode(repository.top));
  const prefix = location.path === "" ? "" : toTreePath(`${location.path}/`);
  const differing: TreePath[] = [];
  for (const path of new Set([...committed.keys(), ...present.keys()])) {
    if (!path.startsWith(prefix) || committed.get(path)?.mode === "160000") continue;
    const one = committed.get(path);
    const other = present.get(path);
    if (one?.mode !== other?.mode || one?.oid !== other?.oid) differing.push(path);
  }
  return differing.sort().map(showPath);
}

/** Files and links below a directory with the mode and id that git would give them. */
function worktree(kernel: Kernel, top: string): ReadonlyMap<TreePath, { mode: string; oid: string }> {
  const files = new Map<TreePath, { mode: string; oid: string }>();
  const visit = (directory: Inode, prefix: string): void => {
    for (const [name, inode] of directory.entries) {
      if (name === ".git") continue;
      if (inode.type === "directory") visit(inode, `${prefix}${name}/`);
      else if (inode.type === "symlink") {
        files.set(`${prefix}${name}`, { mode: "120000", oid: objectId("blob", Buffer.from(inode.target, "latin1")) });
      } else if (inode.type === "file") {
        const mode = (inode.mode & 0o100) === 0 ? "100644" : "100755";
        files.set(`${prefix}${name}`, { mode, oid: objectId("blob", contentBytes(inode.content)) });
      }
    }
  };
  const location = kernel.look(top, true);
  if (location !== undefined) visit(location.inode, "");
  return files;
}

function fetchBranch(context: GitContext, mirror: string, url: string, branch: string): void {
  const remote = context.remotes.get(url);
  const next = remote?.resolve(`refs/heads/${branch}`);
  if (remote === undefined || next === undefined) {
    throw new RootloomError(`cannot fetch ${branch} from ${url}: nobody answers`, {
      hint: "the last commit that was fetched stays in force",
      retry: "transient",
    });
  }
  const local = context.repositories.get(mirror) ?? context.makeRepository(mirror, true);
  const last = local.refs.get(`refs/heads/${branch}`);
  local.objects.receive(remote.objects);
  if (last === next) return;
  if (last !== undefined && !local.objects.isAncestor(last, next)) {
    throw new RootloomError(`cannot follow ${branch} of ${url}: its history was rewritten`, {
      hint: "look at both histories; the last commit that was fetched stays in force",
    });
  }
  local.setRef(`refs/heads/${branch}`, next);
}
