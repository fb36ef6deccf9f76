import { RootloomError } from "../core/error.ts";
import type { JobMap } from "../host/jobs.ts";
import type { Files, JobContext } from "../host/ports.ts";
import { openBeside } from "./beside.ts";
import { compress } from "./compress.ts";
import { commonStart, keepImage, type Milestone } from "./last-image.ts";
import { trailer } from "./newc.ts";
import { cancelled } from "./scan-layer.ts";
import { findSegment, makeSegment, type SegmentSettings, type StoredSegment, segmentPath } from "./segment-cache.ts";
import { MAX_BYTES, type Segment } from "./segments.ts";
import { ImageWriter } from "./splice.ts";
import { noteUse } from "./used.ts";

/** Segments on their way at one time; the bytes that they hold in memory are bounded by the room. */
const IN_FLIGHT_MAX = 4;
/** What one holds that is too large for memory. */
const STREAMED_BYTES = 8 << 20;
/** Segments in memory that may be ready before it is their turn. */
const WAITING_MAX = 8;

/** The segments of an image, in its order, with what the cache has of them. */
export type FoundSegments = readonly { readonly segment: Segment; readonly stored: StoredSegment | undefined }[];

export interface WrittenImage {
  readonly sha256: string;
  readonly size_bytes: number;
  readonly segmentsReused: number;
  /** Paths of its segments in the cache. */
  readonly used: ReadonlySet<string>;
}

/** Looks up every segment whose contents were all read before. */
export function findSegments(
  context: JobContext,
  settings: SegmentSettings,
  segments: readonly Segment[],
): FoundSegments {
  return segments.map((segment) => ({ segment, stored: findOne(context, settings, segment) }));
}

/**
 * Writes the image beside and renames it: found segments from the cache, the others made, and the trailer as a last
 * small member. While one segment is read, others are compressed on the threads of the pool; they are written in order.
 * An image packed from nothing is read back as a whole; the more so while others are compressed, the less at the end.
 * @param whileSyncing what else there is to do while the disk is waited for.
 */
export async function writeImage(
  context: JobContext,
  settings: SegmentSettings,
  found: FoundSegments,
  { image: path, previous }: Pick<JobMap["pack"]["input"], "image" | "previous">,
  whileSyncing: (image: WrittenImage) => void,
): Promise<WrittenImage> {
  const paths = found.map(({ stored }) => stored?.path);
  const start = commonStart(settings.files, previous, paths);
  const output = openBeside(settings.files, path, 0o644);
  const writer = new ImageWriter(settings.files, output);
  const line = new Line(context, settings, writer, found);
  try {
    if (previous) writer.startWith(previous.image, start);
    line.skip(start);
    for (const each of found.slice(start.length)) await line.add(each.segment, each.stored);
    const image = { ...(await line.finish()), size_bytes: output.writer.bytes };
    const synced = output.writer.syncLater();
    try {
      if (line.isFromNothing && !writer.readsBack(image.sha256)) throw giveUp(settings.files, path, image.used);
      whileSyncing(image);
    } finally {
      await synced;
    }
    output.commit();
    keepImage(settings.files, path, image.sha256, writer.milestones);
    return image;
  } catch (thrown) {
    await line.idle();
    output.discard();
    throw thrown;
  }
}

/** What an image was made of that does not read back is not used again: the next try begins with nothing, too. */
function giveUp(files: Files, path: string, segments: ReadonlySet<string>): RootloomError {
  for (const segment of segments) files.removeFile(segment);
  return new RootloomError(`cannot pack ${path}: it did not read back as it was written`, {
    hint: "the disk may be faulty; it is tried again",
    retry: "transient",
  });
}

interface Waiting {
  readonly segment: Segment;
  stored: StoredSegment | undefined;
  made: Promise<unknown> | undefined;
  /** Of one from the cache that was checked while others were made: whether it is what was stored. */
  isWhole: boolean | undefined;
}

/** Segments on their way into an image, in its order. */
class Line {
  readonly #context: JobContext;
  readonly #settings: SegmentSettings;
  readonly #writer: ImageWriter;
  readonly #total_bytes: number;
  readonly isFromNothing: boolean;
  /** Made, or being made, and not written yet; and those of them that are being made. */
  readonly #waiting: Waiting[] = [];
  readonly #making = new Set<Promise<unknown>>();
  readonly #used = new Set<string>();
  #making_bytes = 0;
  #done_bytes = 0;
  #reused = 0;

  constructor(context: JobContext, settings: SegmentSettings, writer: ImageWriter, found: FoundSegments) {
    this.#context = context;
    this.#settings = settings;
    this.#writer = writer;
    this.isFromNothing = found.every(({ stored }) => !stored);
    this.#total_bytes = found.reduce((sum, { segment, stored }) => sum + (stored ? 0 : segment.raw_bytes), 0);
  }

  /** Segments that stand in the image already. */
  skip(start: readonly Milestone[]): void {
    for (const { segment } of start) this.#used.add(segment);
    this.#reused = start.length;
  }

  /** Returns as soon as there is room for the next one. */
  async add(segment: Segment, stored: StoredSegment | undefined): Promise<void> {
    while (!stored && this.#isFull(segment)) {
      if (this.isFromNothing) this.#writer.readBack();
      await Promise.race(this.#making);
      await this.#writeMade();
    }
    if (this.#context.cancelled()) throw cancelled();
    const isWhole = stored && this.#making.size > 0 ? this.#writer.isWhole(stored) : undefined;
    const waiting: Waiting = { segment, stored, made: undefined, isWhole };
    this.#waiting.push(waiting);
    if (!stored) this.#start(waiting);
    if (this.#waiting.filter(({ made }) => made).length > WAITING_MAX) await this.#waiting[0]?.made;
    await this.#writeMade();
  }

  async finish(): Promise<Omit<WrittenImage, "size_bytes">> {
    for (const { made } of this.#waiting.slice()) await made;
    await this.#writeMade();
    await this.#writer.settle();
    this.#writer.add(await compress(trailer(), this.#settings.compression));
    return { sha256: this.#writer.sha256(), segmentsReused: this.#reused, used: this.#used };
  }

  /** Settles when nothing is compressed or written any more. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#making, this.#writer.settle()]);
  }

  #isFull(segment: Segment): boolean {
    const { size } = this.#making;
    return (
      size > 0 && (size >= IN_FLIGHT_MAX || this.#making_bytes + heldBytes(segment) > this.#settings.room.bytes_max)
    );
  }

  #start(waiting: Waiting): void {
    const held_bytes = heldBytes(waiting.segment);
    this.#making_bytes += held_bytes;
    const making = this.#make(waiting.segment)
      .then((stored) => {
        waiting.stored = stored;
      })
      .finally(() => {
        this.#making_bytes -= held_bytes;
        this.#making.delete(making);
      });
    making.catch(() => undefined); // heard by whoever waits for it
    waiting.made = making;
    this.#making.add(making);
  }

  async #make(segment: Segment): Promise<StoredSegment> {
    const { unread } = this.#settings;
    if (segment.raw_bytes > MAX_BYTES)
      for (const entry of segment.entries()) if (unread?.has(entry)) unread.hash(entry);
    return makeSegment(this.#settings, segment);
  }

  /** Writes whatever is made, as far as the order allows. */
  async #writeMade(): Promise<void> {
    for (let next = this.#waiting[0]; next?.stored; next = this.#waiting[0]) {
      this.#waiting.shift();
      const { segment, stored } = next;
      // A cached segment that is damaged is made again, once: what is wrong then is not the cache.
      const isWhole = next.isWhole ?? this.#writer.isWhole(stored);
      this.#writer.addStored(isWhole ? stored : await this.#make(segment));
      this.#used.add(stored.path);
      if (stored.reused && isWhole) {
        this.#reused++;
        continue;
      }
      this.#done_bytes += segment.raw_bytes;
      this.#context.progress(this.#done_bytes, this.#total_bytes);
    }
  }
}

function heldBytes({ raw_bytes }: Segment): number {
  return raw_bytes > MAX_BYTES ? STREAMED_BYTES : raw_bytes;
}

function findOne(
  context: JobContext,
  { files, cache, compression }: SegmentSettings,
  segment: Segment,
): StoredSegment | undefined {
  if (!segment.isRead) return undefined;
  const found = findSegment(files, segmentPath(cache, segment, compression));
  if (found) noteUse(files, found.path, context.now_ms());
  return found;
}
