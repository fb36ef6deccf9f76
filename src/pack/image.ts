import type { JobContext } from "../host/ports.ts";
import { openBeside } from "./beside.ts";
import { compress } from "./compress.ts";
import { trailer } from "./newc.ts";
import { cancelled } from "./scan-layer.ts";
import { findSegment, makeSegment, type SegmentSettings, type StoredSegment, segmentPath } from "./segment-cache.ts";
import { MAX_BYTES, type Segment } from "./segments.ts";
import { ImageWriter } from "./splice.ts";
import { noteUse } from "./used.ts";

/** Segments on their way at one time, and their bytes: a large one goes alone. */
const IN_FLIGHT_MAX = 4;
const IN_FLIGHT_BYTES_MAX = 24 << 20;

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
  return segments.map((segment) => {
    const isRead = segment.entries.every((entry) => settings.unread?.has(entry) !== true);
    return { segment, stored: isRead ? findOne(context, settings, segment) : undefined };
  });
}

/**
 * Writes the image beside and renames it: found segments from the cache, the others made, and the trailer as a last
 * small member. While one segment is read, others are compressed on the threads of the pool; they are written in order.
 */
export async function writeImage(
  context: JobContext,
  settings: SegmentSettings,
  found: FoundSegments,
  path: string,
): Promise<WrittenImage> {
  const output = openBeside(settings.files, path, 0o644);
  const line = new Line(context, settings, new ImageWriter(settings.files, output.writer), found);
  try {
    for (const each of found) await line.add(each.segment, each.stored);
    const written = await line.finish();
    output.commit();
    return { ...written, size_bytes: output.writer.bytes };
  } catch (thrown) {
    await line.idle();
    output.discard();
    throw thrown;
  }
}

interface Waiting {
  readonly segment: Segment;
  readonly made: Promise<StoredSegment>;
}

/** Segments on their way into an image, in its order. */
class Line {
  readonly #context: JobContext;
  readonly #settings: SegmentSettings;
  readonly #writer: ImageWriter;
  readonly #total_bytes: number;
  readonly #waiting: Waiting[] = [];
  readonly #used = new Set<string>();
  #waiting_bytes = 0;
  #done_bytes = 0;
  #reused = 0;

  constructor(context: JobContext, settings: SegmentSettings, writer: ImageWriter, found: FoundSegments) {
    this.#context = context;
    this.#settings = settings;
    this.#writer = writer;
    this.#total_bytes = found.reduce((sum, { segment, stored }) => sum + (stored ? 0 : segment.raw_bytes), 0);
  }

  async add(segment: Segment, stored: StoredSegment | undefined): Promise<void> {
    const { raw_bytes } = segment;
    while (
      this.#waiting.length > 0 &&
      (this.#waiting.length >= IN_FLIGHT_MAX || this.#waiting_bytes + raw_bytes > IN_FLIGHT_BYTES_MAX)
    )
      await this.#writeNext();
    if (this.#context.cancelled()) throw cancelled();
    const made = stored ? Promise.resolve(stored) : this.#make(segment);
    made.catch(() => undefined); // heard when its turn comes
    this.#waiting.push({ segment, made });
    this.#waiting_bytes += raw_bytes;
  }

  async finish(): Promise<Omit<WrittenImage, "size_bytes">> {
    while (this.#waiting.length > 0) await this.#writeNext();
    this.#writer.add(await compress(trailer(), this.#settings.compression));
    return { sha256: this.#writer.sha256(), segmentsReused: this.#reused, used: this.#used };
  }

  /** Settles when nothing is compressed or written to the cache any more. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#waiting.map(({ made }) => made));
  }

  async #make(segment: Segment): Promise<StoredSegment> {
    const { unread } = this.#settings;
    if (segment.raw_bytes > MAX_BYTES) for (const entry of segment.entries) if (unread?.has(entry)) unread.hash(entry);
    return makeSegment(this.#settings, segment);
  }

  async #writeNext(): Promise<void> {
    const [next] = this.#waiting;
    if (!next) return;
    const { segment, made } = next;
    const stored = await made;
    // A cached segment that is damaged is made again, once: what is wrong then is not the cache.
    const isWhole = this.#writer.addStored(stored);
    if (!isWhole) this.#writer.addStored(await this.#make(segment));
    this.#waiting.shift();
    this.#waiting_bytes -= segment.raw_bytes;
    this.#used.add(stored.path);
    if (stored.reused && isWhole) {
      this.#reused++;
      return;
    }
    this.#done_bytes += segment.raw_bytes;
    this.#context.progress(this.#done_bytes, this.#total_bytes);
  }
}

function findOne(
  context: JobContext,
  { files, cache, compression }: SegmentSettings,
  segment: Segment,
): StoredSegment | undefined {
  const found = findSegment(files, segmentPath(cache, segment, compression));
  if (found) noteUse(files, found.path, context.now_ms());
  return found;
}
