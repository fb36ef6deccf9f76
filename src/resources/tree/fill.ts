import { posix } from "node:path";
import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { Command, Files } from "../../host/ports.ts";
import { aboveDeclared } from "../../pack/plain-tarball.ts";
import { withSpace } from "../space.ts";
import type { ApplyContext } from "../types.ts";
import { cloneTree } from "./clone.ts";
import type { Tarball } from "./kept.ts";
import { looksLikeRoot } from "./looks.ts";
import { buildPaths } from "./paths.ts";
import { provideTarball } from "./source.ts";
import { unpackedSize_bytes } from "./unpacked.ts";

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
      const file = posix.basename(tarball.path);
      const maxSize_bytes = source.type === "tarball" ? source.maxSize_bytes : undefined;
      const needed_bytes = await unpackedSize_bytes(tarball.path, context);
      await withSpace(context, { path: resource.volumePath, needed_bytes, what: `unpack ${file}` }, () => {
        context.progress(`extracting ${file}`);
        return extract(tarball, root, context, { maxSize_bytes });
      });
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

/** Its unit; a limit is rounded up to it. */
const RECORD_BYTES = 10_240;
const BLOCK_BYTES = 512;
/**
 * Ends tar when it has read one record too many, or when one file, holes and all, would be larger. Both come as SIGXFSZ,
 * which tar would not get as the first process of its namespace.
 */
const BOUNDED = 'ulimit -f "$1" || exit 1; shift; tar "$@"; exit "$?"';
const ENDED_BY_LIMIT = 128 + 25;

/** `members`: only those named in this file, NUL-separated. `maxSize_bytes`: what the archive may hold at most. */
export interface Extraction {
  readonly members?: string | undefined;
  readonly maxSize_bytes?: number | undefined;
}

/** Extracts a tarball with GNU tar. */
export async function extract(
  tarball: Tarball,
  directory: string,
  context: ApplyContext,
  { members, maxSize_bytes }: Extraction,
): Promise<void> {
  const { files, processes } = context.host;
  const before = files.stat(tarball.path)?.stamp;
  const words = [
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
  ];
  const { exitCode } = await processes.run({
    ...(maxSize_bytes === undefined ? { file: "tar", arguments: words } : bounded(words, maxSize_bytes)),
    timeout_ms: 0,
    signal: context.signal,
    // With members, 2 also means that some are not in the archive: what came out is checked by the caller.
    accept: [0, ...(members === undefined ? [] : [2]), ...(maxSize_bytes === undefined ? [] : [ENDED_BY_LIMIT])],
  });
  if (exitCode === ENDED_BY_LIMIT) throw aboveDeclared(tarball.path, maxSize_bytes ?? 0);
  if (files.stat(tarball.path)?.stamp !== before)
    throw new RootloomError(`cannot use ${tarball.path}: it changed while it was read`, { retry: "transient" });
}

function bounded(words: readonly string[], limit_bytes: number): Pick<Command, "file" | "arguments"> {
  const checkpoint = [
    `--checkpoint=${Math.ceil(limit_bytes / RECORD_BYTES) + 1}`,
    "--checkpoint-action=exec=kill -s XFSZ $PPID",
  ];
  const blocks = String(Math.ceil(limit_bytes / BLOCK_BYTES));
  return { file: "sh", arguments: ["-c", BOUNDED, "sh", blocks, ...checkpoint, ...words] };
}

function listing(files: Files, root: string): string {
  const names = files.list(root) ?? [];
  if (names.length === 0) return "it is empty";
  return `it holds ${names.slice(0, 5).join(", ")}${names.length > 5 ? ", ..." : ""}`;
}
