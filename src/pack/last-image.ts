import type { Hash } from "node:crypto";
import type { FileStat, Files } from "../host/ports.ts";
import type { StoredSegment } from "./segment-cache.ts";

const IMAGES_MAX = 4;

/** Where a segment ends in an image, and the digest of the image up to there, still open. */
export interface Milestone {
  /** Path of the segment in the cache, which names all that decides its bytes. */
  readonly segment: string;
  readonly end_bytes: number;
  readonly hash: Hash;
}

interface WrittenFile {
  readonly file: string;
  readonly milestones: readonly Milestone[];
}

/** Images that this thread has written, by the files that it wrote them through, and their digest. */
const memory = new WeakMap<Files, Map<string, WrittenFile>>();

/** A file as it was written. Its ctime is left out: the rename of its directory's build changes it. */
export function fileKey({ inode, born, size, modified_s }: FileStat): string {
  return [inode, born, size, modified_s].join(" ");
}

export function keepImage(files: Files, path: string, sha256: string, milestones: readonly Milestone[]): void {
  const stat = files.stat(path);
  if (stat === undefined) return;
  const written = memory.get(files) ?? new Map<string, WrittenFile>();
  memory.set(files, written);
  written.delete(sha256);
  written.set(sha256, { file: fileKey(stat), milestones });
  for (const oldest of [...written.keys()].slice(0, -IMAGES_MAX)) written.delete(oldest);
}

/** An image that this thread has written and that stands as it was written. */
export class LastImage {
  readonly path: string;
  readonly #stamp: string;
  readonly #milestones: readonly Milestone[];
  readonly #indexes: ReadonlyMap<string, number>;

  /** @param stamp of its file, as it was found now. */
  constructor(path: string, stamp: string, milestones: readonly Milestone[]) {
    this.path = path;
    this.#stamp = stamp;
    this.#milestones = milestones;
    this.#indexes = new Map(milestones.map(({ segment }, index) => [segment, index]));
  }

  /** Where each of these segments ends that it begins with. */
  commonStart(segments: readonly (string | undefined)[]): readonly Milestone[] {
    const differs = this.#milestones.findIndex(({ segment }, index) => segments[index] !== segment);
    return differs < 0 ? this.#milestones : this.#milestones.slice(0, differs);
  }

  /** A segment by the path that it has in the cache, or had there; undefined where it does not hold it. */
  find(segment: string): StoredSegment | undefined {
    const index = this.#indexes.get(segment);
    const found = index === undefined ? undefined : this.#milestones[index];
    if (index === undefined || found === undefined) return undefined;
    const start_bytes = this.#milestones[index - 1]?.end_bytes ?? 0;
    const size_bytes = found.end_bytes - start_bytes;
    const within = { image: this.path, stamp: this.#stamp, start_bytes };
    return { path: segment, size_bytes, sha256: undefined, reused: true, within };
  }
}

/**
 * The image that is to be followed, undefined where another thread has written it, or another process. That nobody touched it
 * since, its whole stamp tells, which the pass compares before it packs.
 */
export function recallImage(
  files: Files,
  previous: { readonly image: string; readonly sha256: string } | undefined,
): LastImage | undefined {
  const known = previous && memory.get(files)?.get(previous.sha256);
  const stat = known && files.stat(previous.image);
  return stat && fileKey(stat) === known.file ? new LastImage(previous.image, stat.stamp, known.milestones) : undefined;
}
