import { dirname } from "node:path";
import { showPath, type TreePath, toTreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { Compression } from "../core/resource.ts";
import type { Files } from "../host/ports.ts";
import type { Entries } from "./entry-table.ts";
import { checkLimits } from "./newc.ts";
import { formatSize } from "./notes.ts";
import { parentOf } from "./paths.ts";
import { resolvePath } from "./resolve.ts";
import type { PackEntry } from "./types.ts";

/** Room beside what an image is thought to take: manifests, hash caches, directories. */
const SPARE_BYTES = 16 << 20;

/**
 * Refuses what the kernel would accept in silence and then not boot.
 * @param init empty: any content will do.
 * @throws RootloomError for an empty root and an init that is missing or not executable.
 */
export function checkProgram(entries: Entries, init: string): void {
  if (!hasRoot(entries)) {
    throw new RootloomError("cannot pack: the root is empty", {
      hint: "check that its volume is mounted and filled, and that spec.exclude does not leave out all of it",
      retry: "waiting",
      condition: "RootEmpty",
    });
  }
  if (init !== "") checkInit(entries, init);
}

function hasRoot(entries: Entries): boolean {
  for (const { path, place } of entries) if (path !== "" && place === 0) return true;
  return false;
}

function checkInit(entries: Entries, init: string): void {
  const resolved = resolvePath(entries, toTreePath(init), true);
  const entry = resolved.type === "found" ? resolved.entry : undefined;
  const refuse = (why: string) =>
    new RootloomError(`cannot pack: ${init}, which the kernel starts, ${why}`, {
      hint: "add it to an overlay, executable, or name another program in spec.init",
    });
  if (resolved.type === "blocked") throw refuse(`leads through /${showPath(resolved.at)}, ${resolved.why}`);
  if (!entry) throw refuse("is missing");
  if (entry.type !== "file") throw refuse(`is a ${entry.type}`);
  if ((entry.mode & 0o111) === 0) throw refuse("is not executable");
}

/**
 * What is looked at in every entry on its way into an archive, once. The kernel drops one that comes before its directory, without a
 * word.
 */
export class EntryCheck {
  /** Directories above the entry last seen, with the layer whose segments hold each. */
  #above: { readonly path: TreePath; readonly place: number }[] = [];

  /** @throws RootloomError for an entry that would come before its directory, or is beyond the format. */
  add(entry: PackEntry): void {
    checkLimits(entry);
    this.#requireDirectory(entry.path, entry.place);
    if (entry.type === "directory" && entry.path !== "") this.#above.push({ path: entry.path, place: entry.place });
  }

  /**
   * As `add` for all entries from one to another, which are of the lowest layer, and were added before as they stand: what is above
   * them and not among them is above the first.
   */
  addKnown(first: TreePath, last: Pick<PackEntry, "path" | "type">): void {
    this.#requireDirectory(first, 0);
    this.#above = [];
    const lowest = last.type === "directory" ? last.path : parentOf(last.path);
    for (let path = lowest; path !== ""; path = parentOf(path)) this.#above.unshift({ path, place: 0 });
  }

  #requireDirectory(path: TreePath, place: number): void {
    const parent = parentOf(path);
    while (this.#above.length > 0 && this.#above.at(-1)?.path !== parent) this.#above.pop();
    const above = this.#above.at(-1)?.place ?? (parent === "" ? 0 : Number.POSITIVE_INFINITY);
    if (above > place) throw new RootloomError(`cannot pack: /${showPath(path)} would come before its directory`);
  }
}

/** @throws RootloomError when an entry would be lost or written twice: a fault of the packer. */
export function checkCount(segments: readonly { readonly count: number }[], entries: number): void {
  const written = segments.reduce((sum, { count }) => sum + count, 0);
  if (written !== entries) throw new RootloomError(`cannot pack: ${written} entries would be written of ${entries}`);
}

/** Shares of the uncompressed size that new segments are thought to take; root filesystems come out well below. */
const RATIO: Readonly<Record<Compression["codec"], number>> = { gzip: 0.6, zstd: 0.6, none: 1 };

export interface SpaceNeed {
  readonly cache: string;
  readonly image: string;
  readonly codec: Compression["codec"];
  /** Compressed bytes of segments that are reused. */
  readonly reused_bytes: number;
  /** Uncompressed bytes of segments that must be made. */
  readonly missing_bytes: number;
}

/** @throws RootloomError, waiting for NoSpace, with the figures. */
export function checkSpace(files: Files, need: SpaceNeed): void {
  const made_bytes = Math.ceil(need.missing_bytes * RATIO[need.codec]);
  const image_bytes = need.reused_bytes + made_bytes + SPARE_BYTES;
  const directory = dirname(need.image);
  const shared = files.filesystemIdentity(directory) === files.filesystemIdentity(need.cache);
  requireSpace(files, directory, image_bytes + (shared ? made_bytes : 0));
  if (!shared) requireSpace(files, need.cache, made_bytes + SPARE_BYTES);
}

export function requireSpace(files: Files, directory: string, needed_bytes: number): void {
  const free_bytes = files.freeSpace_bytes(directory);
  if (free_bytes >= needed_bytes) return;
  throw noSpace(`${directory} has ${formatSize(free_bytes)} free, about ${formatSize(needed_bytes)} are needed`);
}

/** Turns a full disk into the error that waits for room; all else passes as it is. */
export function explainFullDisk(thrown: unknown, image: string): unknown {
  for (let cause = thrown; cause instanceof Error; cause = cause.cause) {
    const code = "code" in cause ? cause.code : undefined;
    if (code === "ENOSPC" || code === "EDQUOT") return noSpace(`the disk ran full while ${image} was written`, thrown);
  }
  return thrown;
}

function noSpace(why: string, cause?: unknown): RootloomError {
  return new RootloomError(`cannot pack: ${why}`, {
    hint: "run `rootloom gc`, keep fewer generations, or make room; nothing of the old image was touched",
    retry: "waiting",
    condition: "NoSpace",
    cause,
  });
}
