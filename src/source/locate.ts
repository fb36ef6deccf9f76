import { basename, dirname, join, relative } from "node:path";
import { RootloomError } from "../core/error.ts";
import type { GitLocation, Host } from "../host/ports.ts";
import type { SourceOptions } from "./types.ts";

/** What `Git.discover` says of a repository. */
export interface Discovered {
  readonly repository: string;
  readonly bare: boolean;
  readonly top: string;
  readonly gitDirectory: string;
}

export interface Located {
  readonly location: GitLocation;
  readonly bare: boolean;
}

/**
 * Finds the repository, the ref and the path of `desired/` in it. Of a remote that is the daemon's own mirror.
 * @throws RootloomError where there is no folder, no repository, or one that is bare and was given by `--desired`.
 */
export async function locate(host: Host, options: SourceOptions): Promise<Located> {
  const { remote, repository, ref } = options;
  if (remote !== undefined) {
    const location = { repository: remote.mirror, ref: `refs/heads/${remote.branch}`, path: pathInside(options) };
    return { location, bare: true };
  }
  if (repository !== undefined) {
    const discovered = await discoverRepository(host, repository);
    return { location: { repository: discovered.repository, ref, path: pathInside(options) }, bare: discovered.bare };
  }
  const { directory, rest } = existingDirectory(host, options.desired);
  const discovered = await host.git.discover(directory);
  if (discovered === undefined) throw noRepository(host, options.desired);
  if (discovered.bare) {
    throw new RootloomError(`cannot load ${options.desired}: it lies in a bare repository, which has no files`, {
      hint: `use --repository ${discovered.repository} --path desired`,
    });
  }
  const path = relative(discovered.top, join(directory, rest));
  return { location: { repository: discovered.repository, ref, path }, bare: false };
}

/** The repository of a source, for the paths to watch; undefined where there is none yet. */
export async function discoverSource(host: Host, options: SourceOptions): Promise<Discovered | undefined> {
  if (options.remote !== undefined) return undefined;
  const start = options.repository ?? options.desired;
  return await host.git.discover(existingDirectory(host, start).directory);
}

/** The nearest existing folder at or above a path, its links followed, and what is missing below it. */
export function existingDirectory(host: Host, path: string): { readonly directory: string; readonly rest: string } {
  let rest = "";
  for (let at = path; at !== dirname(at); at = dirname(at)) {
    const real = host.files.realPath(at);
    if (real !== undefined && host.files.stat(real)?.type === "directory") return { directory: real, rest };
    rest = join(basename(at), rest);
  }
  return { directory: "/", rest };
}

async function discoverRepository(host: Host, repository: string): Promise<Discovered> {
  const real = host.files.realPath(repository);
  if (real === undefined || host.files.stat(real)?.type !== "directory") {
    throw new RootloomError(`cannot load ${repository}: there is no such folder`, {
      hint: "give the repository that people push to: --repository DIR",
    });
  }
  const discovered = await host.git.discover(real);
  if (discovered !== undefined) return discovered;
  throw new RootloomError(`cannot load ${repository}: it is not a git repository`, {
    hint: `make one that people can push to: git init --bare ${repository}`,
  });
}

function noRepository(host: Host, desired: string): RootloomError {
  if (host.files.realPath(desired) === undefined) {
    return new RootloomError(`cannot load ${desired}: there is no such folder`, {
      hint: "make one with `rootloom init`, or name yours with --desired DIR",
    });
  }
  return new RootloomError(`cannot load ${desired}: it is not in a git repository`, {
    hint: `commit it: git init ${dirname(desired)}, then git add and git commit (for a trial without: plan --worktree)`,
  });
}

function pathInside(options: SourceOptions): string {
  return (options.path ?? "desired").replace(/^(\.?\/)+|\/+$/g, "").replace(/^\.$/, "");
}
