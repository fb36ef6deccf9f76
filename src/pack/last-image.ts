import type { Hash } from "node:crypto";
import type { FileStat, Files } from "../host/ports.ts";

const IMAGES_MAX = 4;

/** Where a segment ends in an image, and the digest of the image up to there, still open. */
export interface Milestone {
  /** Path of the segment in the cache, which names all that decides its bytes. */
  readonly segment: string;
  readonly end_bytes: number;
  readonly hash: Hash;
}

interface LastImage {
  readonly file: string;
  readonly milestones: readonly Milestone[];
}

/** Images that this thread has written, by the files that it wrote them through, and their digest. */
const memory = new WeakMap<Files, Map<string, LastImage>>();

/** A file as it was written. Its ctime is left out: the rename of its directory's build changes it. */
export function fileKey({ inode, born, size, modified_s }: FileStat): string {
  return [inode, born, size, modified_s].join(" ");
}

export function keepImage(files: Files, path: string, sha256: string, milestones: readonly Milestone[]): void {
  const stat = files.stat(path);
  if (stat === undefined) return;
  const written = memory.get(files) ?? new Map<string, LastImage>();
  memory.set(files, written);
  written.delete(sha256);
  written.set(sha256, { file: fileKey(stat), milestones });
  for (const oldest of [...written.keys()].slice(0, -IMAGES_MAX)) written.delete(oldest);
}

/**
 * How many of these segments, from the first, stand in an image that this thread has written. That nobody touched it since, its
 * whole stamp tells, which the pass compares before it packs.
 */
export function commonStart(
  files: Files,
  previous: { readonly image: string; readonly sha256: string } | undefined,
  segments: readonly (string | undefined)[],
): readonly Milestone[] {
  const known = previous && memory.get(files)?.get(previous.sha256);
  const stat = known && files.stat(previous.image);
  if (!known || !stat || fileKey(stat) !== known.file) return [];
  const differs = known.milestones.findIndex(({ segment }, index) => segments[index] !== segment);
  return differs < 0 ? known.milestones : known.milestones.slice(0, differs);
}
