import type { JobContext } from "../host/ports.ts";
import { compress } from "./compress.ts";
import type { Milestone } from "./last-image.ts";
import { trailer } from "./newc.ts";
import { release } from "./room.ts";
import { cancelled } from "./scan-layer.ts";
import { makeSegment, type SegmentSettings, type StoredSegment } from "./segment-cache.ts";
import type { Segment } from "./segments.ts";
import type { ImageWriter } from "./splice.ts";

/** Segments on their way at one time; what they hold before they are compressed is bounded by the room. */
const IN_FLIGHT_MAX = 4;
/** What one holds that is too large for memory. */
const STREAMED_BYTES = 6 << 20;
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

interface Waiting {
  readonly segment: Segment;
  stored: StoredSegment | undefined;
  made: Promise<unknown> | undefined;
  /** Of one from the cache that was checked while others were made: whether it is what was stored. */
  isWhole: boolean | undefined;
}

/** Segments on their way into an image: found or made in any order, written in the image's. */
export class Line {
  readonly #context: JobContext;
  readonly #settings: SegmentSettings;
  readonly #writer: ImageWriter;
  readonly #total_bytes: number;
  readonly isFromNothing: boolean;
  /** Made, or being made, and not written yet; and those of them that are being made. */
  readonly #waiting: Waiting[] = [];
  readonly #making = new Map<Promise<unknown>, Segment>();
  readonly #begun = new Map<Segment, Waiting>();
  /** To be made, too large for memory, and not begun. */
  readonly #large = new Set<Segment>();
  readonly #used = new Set<string>();
  #done_bytes = 0;
  #reused = 0;

  constructor(context: JobContext, settings: SegmentSettings, writer: ImageWriter, found: FoundSegments) {
    this.#context = context;
    this.#settings = settings;
    this.#writer = writer;
    this.isFromNothing = found.every(({ stored }) => !stored);
    this.#total_bytes = found.reduce((sum, { segment, stored }) => sum + (stored ? 0 : segment.raw_bytes), 0);
  }

  /** What is being made, before it is compressed. */
  get making_bytes(): number {
    return [...this.#making.values()].reduce((sum, segment) => sum + heldBytes(segment), 0);
  }

  /** Segments that stand in the image already. */
  skip(start: readonly Milestone[]): void {
    for (const { segment } of start) this.#used.add(segment);
    this.#reused = start.length;
  }

  /** The first that have to be made, as many as there is room for: they are compressed while others are found whole and copied. */
  begin(found: FoundSegments): void {
    const missing = found.flatMap(({ segment, stored }) => (stored ? [] : [segment]));
    for (const segment of missing) if (segment.isLarge) this.#large.add(segment);
    const [large] = this.#large;
    for (const segment of large ? [large, ...missing] : missing) {
      if (this.#isFull(segment)) return;
      this.#ahead(segment);
    }
  }

  /** Begins one that is not begun yet, before its turn. */
  #ahead(segment: Segment): void {
    if (!this.#begun.has(segment)) this.#begun.set(segment, this.#start(segment));
  }

  /** Returns as soon as there is room for the next one. */
  async add(segment: Segment, stored: StoredSegment | undefined): Promise<void> {
    if (this.#context.cancelled()) throw cancelled();
    await this.#aheadLarge();
    if (!stored && !this.#begun.has(segment)) await this.#haveRoom(segment);
    const begun = this.#begun.get(segment);
    this.#waiting.push(begun ?? (stored ? this.#reuse(segment, stored) : this.#start(segment)));
    await this.#writeMade();
  }

  /** One thread alone compresses a large one, which holds no memory when it is made: one is always being made beside the others. */
  async #aheadLarge(): Promise<void> {
    const [large] = this.#large;
    if (!large || [...this.#making.values()].some(({ isLarge }) => isLarge)) return;
    await this.#haveRoom(large);
    this.#ahead(large);
  }

  async #haveRoom(segment: Segment): Promise<void> {
    while (this.#isFull(segment)) {
      if (this.isFromNothing) this.#writer.readBack();
      await Promise.race(this.#making.keys());
      await this.#writeMade();
    }
    if (this.#context.cancelled()) throw cancelled();
  }

  async finish(): Promise<Omit<WrittenImage, "size_bytes">> {
    for (const { made } of this.#waiting.slice()) await made;
    await this.#writeMade();
    await this.#writer.add(await compress(trailer(), this.#settings.compression));
    await this.#writer.settle();
    return { sha256: this.#writer.sha256(), segmentsReused: this.#reused, used: this.#used };
  }

  /** Settles when nothing is compressed or written any more. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#making.keys(), this.#writer.settle()]);
  }

  #isFull(segment: Segment): boolean {
    const { size } = this.#making;
    return (
      size > 0 && (size >= IN_FLIGHT_MAX || this.making_bytes + heldBytes(segment) > this.#settings.room.bytes_max)
    );
  }

  #reuse(segment: Segment, stored: StoredSegment): Waiting {
    const isWhole = this.#making.size > 0 ? this.#writer.isWhole(stored) : undefined;
    return { segment, stored, made: undefined, isWhole };
  }

  #start(segment: Segment): Waiting {
    const waiting: Waiting = { segment, stored: undefined, made: undefined, isWhole: undefined };
    this.#large.delete(segment);
    const making = this.#make(segment)
      .then((stored) => {
        waiting.stored = this.#inTurn(stored);
      })
      .finally(() => {
        this.#making.delete(making);
      });
    making.catch(() => undefined); // heard by whoever waits for it
    waiting.made = making;
    this.#making.set(making, segment);
    return waiting;
  }

  /** What waits for its turn behind many others is in the cache: it is read again then. */
  #inTurn(stored: StoredSegment): StoredSegment {
    const held = this.#waiting.filter(({ stored: each }) => each?.bytes).length;
    if (!stored.bytes || held < WAITING_MAX) return stored;
    release(stored.bytes);
    return { ...stored, bytes: undefined };
  }

  async #make(segment: Segment): Promise<StoredSegment> {
    const { unread } = this.#settings;
    if (segment.isLarge) for (const entry of segment.entries()) if (unread?.has(entry)) unread.hash(entry);
    return makeSegment(this.#settings, segment);
  }

  /** Writes whatever is made, as far as the order allows. */
  async #writeMade(): Promise<void> {
    for (let next = this.#waiting[0]; next?.stored; next = this.#waiting[0]) {
      this.#waiting.shift();
      const { segment, stored } = next;
      // A cached segment that is damaged is made again, once: what is wrong then is not the cache.
      const isWhole = next.isWhole ?? this.#writer.isWhole(stored);
      await this.#writer.addStored(isWhole ? stored : await this.#make(segment), this.#making.size === 0);
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

function heldBytes({ isLarge, raw_bytes }: Segment): number {
  return isLarge ? STREAMED_BYTES : raw_bytes;
}
