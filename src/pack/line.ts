import type { JobContext } from "../host/ports.ts";
import { compress } from "./compress.ts";
import type { Milestone } from "./last-image.ts";
import { type Made, Making } from "./making.ts";
import { trailer } from "./newc.ts";
import { cancelled } from "./scan-layer.ts";
import type { SegmentSettings, StoredSegment } from "./segment-cache.ts";
import type { Segment } from "./segments.ts";
import type { ImageWriter } from "./splice.ts";

/** The segments of an image, in its order, with what the image before or the cache has of them. */
export type FoundSegments = readonly { readonly segment: Segment; readonly stored: StoredSegment | undefined }[];

export interface WrittenImage {
  readonly sha256: string;
  readonly size_bytes: number;
  readonly segmentsReused: number;
  /** Paths of its segments in the cache. */
  readonly used: ReadonlySet<string>;
}

/** One that was found, or is being made. */
type Waiting =
  | { readonly type: "made"; readonly made: Made }
  | {
      readonly type: "found";
      readonly segment: Segment;
      readonly stored: StoredSegment;
      /** Of one that was checked while others were made: whether it is what was stored. */
      readonly isWhole: boolean | undefined;
    };

/** Segments on their way into an image: found or made in any order, written in the image's. */
export class Line {
  readonly #context: JobContext;
  readonly #settings: SegmentSettings;
  readonly #writer: ImageWriter;
  readonly #total_bytes: number;
  readonly isFromNothing: boolean;
  /** In their order, and not written yet. */
  readonly #waiting: Waiting[] = [];
  readonly #making: Making;
  /** Begun before their turn. */
  readonly #begun = new Map<Segment, Made>();
  /** To be made, too large for memory, and not begun. */
  readonly #large = new Set<Segment>();
  readonly #used = new Set<string>();
  #done_bytes = 0;
  #reused = 0;

  constructor(context: JobContext, settings: SegmentSettings, writer: ImageWriter, found: FoundSegments) {
    this.#context = context;
    this.#settings = settings;
    this.#making = new Making(settings);
    this.#writer = writer;
    this.isFromNothing = found.every(({ stored }) => !stored);
    this.#total_bytes = found.reduce((sum, { segment, stored }) => sum + (stored ? 0 : segment.raw_bytes), 0);
  }

  /** What is being compressed. */
  get compressing_bytes(): number {
    return this.#making.compressing_bytes;
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
      if (this.#making.isFull(segment)) return;
      this.#ahead(segment);
    }
  }

  /** Begins one that is not begun yet, before its turn. */
  #ahead(segment: Segment): void {
    if (!this.#begun.has(segment)) this.#begun.set(segment, this.#start(segment));
  }

  /** Returns as soon as there is room for the next one. */
  async add(segment: Segment, stored: StoredSegment | undefined): Promise<void> {
    this.#heed();
    await this.#aheadLarge();
    if (!stored && !this.#begun.has(segment)) await this.#haveRoom(segment);
    this.#waiting.push(
      stored
        ? { type: "found", segment, stored, isWhole: this.#isWholeMeanwhile(stored) }
        : { type: "made", made: this.#begun.get(segment) ?? this.#start(segment) },
    );
    await this.#writeReady();
  }

  /** One thread alone compresses a large one, which holds no memory when it is made: one is always being made beside the others. */
  async #aheadLarge(): Promise<void> {
    const [large] = this.#large;
    if (!large || this.#making.hasLarge) return;
    await this.#haveRoom(large);
    this.#ahead(large);
  }

  async #haveRoom(segment: Segment): Promise<void> {
    for (this.#heed(); this.#making.isFull(segment); this.#heed()) {
      if (this.isFromNothing) this.#writer.readBack();
      await this.#making.one();
      await this.#writeReady();
    }
  }

  #heed(): void {
    if (this.#context.cancelled()) throw cancelled();
    this.#making.heed();
  }

  async finish(): Promise<Omit<WrittenImage, "size_bytes">> {
    for (const waiting of this.#waiting.slice()) if (waiting.type === "made") await waiting.made.ready;
    await this.#writeReady();
    await this.#making.all();
    this.#making.heed();
    await this.#writer.add(await compress(trailer(), this.#settings.compression));
    await this.#writer.settle();
    return { sha256: this.#writer.sha256(), segmentsReused: this.#reused, used: this.#used };
  }

  /** Settles when nothing is compressed or written any more. */
  async idle(): Promise<void> {
    await Promise.allSettled([this.#making.all(), this.#writer.settle()]);
  }

  #start(segment: Segment): Made {
    this.#large.delete(segment);
    return this.#making.start(segment);
  }

  #isWholeMeanwhile(stored: StoredSegment): boolean | undefined {
    return this.#making.compressing_bytes > 0 ? this.#writer.isWhole(stored) : undefined;
  }

  /** Writes whatever is compressed, as far as the order allows. */
  async #writeReady(): Promise<void> {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const { segment, stored } = next.type === "found" ? next : next.made;
      if (!stored) return;
      this.#waiting.shift();
      const isWhole = next.type === "found" ? next.isWhole : undefined;
      // A cached segment that is damaged is made again, once: what is wrong then is not the cache.
      if (!(isWhole ?? this.#writer.isWhole(stored))) await this.#writeMade(await this.#again(segment));
      else if (next.type === "found") await this.#write(stored);
      else await this.#writeMade(next.made);
    }
  }

  async #again(segment: Segment): Promise<Made> {
    while (this.#making.isFull(segment)) await this.#making.one();
    return this.#start(segment);
  }

  async #writeMade(made: Made): Promise<void> {
    await this.#making.write(made, (stored) => this.#write(stored));
    this.#done_bytes += made.segment.raw_bytes;
    this.#context.progress(this.#done_bytes, this.#total_bytes);
  }

  async #write(stored: StoredSegment): Promise<void> {
    await this.#writer.addStored(stored, this.#making.compressing_bytes === 0);
    this.#used.add(stored.path);
    if (stored.reused) this.#reused++;
  }
}
