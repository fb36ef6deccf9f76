import { posix } from "node:path";
import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import type { ApplyContext } from "../types.ts";
import { cloneTree } from "./clone.ts";
import type { Tarball } from "./kept.ts";
import { looksLikeRoot } from "./looks.ts";
import { buildPaths } from "./paths.ts";
import { provideTarball } from "./source.ts";

/** What a new top is filled from: how, and what is to be said of it later. */
export interface Supply {
  /** For people: where it comes from. */
  readonly from: string;
  readonly doing: string;
  readonly hint: string;
  /** Fills an empty directory; returns what the marker says of it. */
  readonly fill: (root: string) => Promise<Filled>;
}

/** How the source was found right, and for a clone how it was copied; kept in the marker and the record. */
export type Filled = { readonly verified: string } | { readonly cloned: string };

/** Makes ready what a tree is filled from: a checked tarball, or another tree of this host. */
export async function provideSupply(resource: TreeResource, context: ApplyContext): Promise<Supply> {
  const { source } = resource;
  if (source.type === "clone")
    return {
      from: source.path,
      doing: `${source.path} was copied`,
      hint: `look whether all of it can be read: ${source.path}`,
      fill: async (root) => ({ cloned: await cloneTree(resource, source, root, context) }),
    };
  const tarball = await provideTarball(resource, context);
  return {
    from: tarball.path,
    doing: `${tarball.path} was extracted`,
    hint: `look whether it is a whole archive: tar --list --file=${tarball.path}`,
    fill: async (root) => {
      context.progress(`extracting ${posix.basename(tarball.path)}`);
      await extract(tarball, root, context);
      return { verified: tarball.verified };
    },
  };
}

/** Makes a folder with a new top in it; what comes of a failure is removed. */
export async function fill(
  resource: TreeResource,
  supply: Supply,
  folder: string,
  context: ApplyContext,
): Promise<Filled> {
  const { files } = context.host;
  const { root } = buildPaths(folder);
  files.makeDirectory(folder, { owner: 0, group: 0, mode: 0o700 });
  files.makeDirectory(root, { owner: 0, group: 0, mode: 0o755 });
  const filled = await supply.fill(root).catch((thrown) => {
    const error = notFilled(resource, supply, root, context, thrown);
    // A disk that stays full would keep even the failure from being written down; after a signal the next start sweeps.
    if (!context.signal.aborted) files.removeTree(folder, files.stat(folder)?.inode ?? 0);
    throw error;
  });
  if (!looksLikeRoot(root, files))
    throw new RootloomError(
      `cannot fill tree ${resource.name}: what was extracted does not look like a root: ${listing(files, root)}`,
      { hint: `${supply.from} must hold bin, usr/bin or the like at its top` },
    );
  return filled;
}

/** Below this much free space it is the disk that failed, whatever tar says. */
const FULL_BYTES = 1 << 20;

function notFilled(
  resource: TreeResource,
  supply: Supply,
  root: string,
  context: ApplyContext,
  thrown: unknown,
): RootloomError {
  const error = asRootloomError(thrown);
  if (context.signal.aborted || error.condition !== undefined) return error;
  const isFull = context.host.files.freeSpace_bytes(root) < FULL_BYTES;
  const why = isFull ? `the disk ran full while ${supply.doing}` : error.message;
  return new RootloomError(`cannot fill tree ${resource.name}: ${why}`, {
    hint: isFull ? "make room, or run `rootloom gc`; what was half extracted is removed" : supply.hint,
    retry: isFull ? "transient" : error.retry,
    details: error.details,
    cause: thrown,
  });
}

/** Extracts a tarball, or only the members named in `members` (a file of NUL-separated names), with GNU tar. */
export async function extract(
  tarball: Tarball,
  directory: string,
  context: ApplyContext,
  members?: string,
): Promise<void> {
  const { files, processes } = context.host;
  const before = files.stat(tarball.path)?.stamp;
  await processes.run({
    file: "tar",
    arguments: [
      "--extract",
      "--force-local",
      `--file=${tarball.path}`,
      `--directory=${directory}`,
      "--numeric-owner",
      "--same-owner",
      "--preserve-permissions",
      "--xattrs",
      "--xattrs-include=*",
      "--acls",
      ...(members === undefined ? [] : ["--null", `--files-from=${members}`]),
    ],
    timeout_ms: 0,
    signal: context.signal,
    // With members, 2 also means that some are not in the archive: what came out is checked by the caller.
    ...(members === undefined ? {} : { accept: [0, 2] }),
  });
  if (files.stat(tarball.path)?.stamp !== before)
    throw new RootloomError(`cannot use ${tarball.path}: it changed while it was read`, { retry: "transient" });
}

function listing(files: Files, root: string): string {
  const names = files.list(root) ?? [];
  if (names.length === 0) return "it is empty";
  return `it holds ${names.slice(0, 5).join(", ")}${names.length > 5 ? ", ..." : ""}`;
}
