import { release } from "./room.ts";
import { makeSegment, type SegmentSettings, type StoredSegment } from "./segment-cache.ts";
import type { Segment } from "./segments.ts";

/** Segments on their way at one time; what they hold before they are compressed is bounded by the room. */
const IN_FLIGHT_MAX = 4;
/** What one holds that is too large for memory. */
const STREAMED_BYTES = 6 << 20;
/** Segments in memory that may be ready before it is their turn. */
const WAITING_MAX = 8;

/** A segment that is being made, and what is known of it by now. */
export interface Made {
  readonly segment: Segment;
  /** As soon as it is compressed. */
  stored: StoredSegment | undefined;
  /** Settles then. */
  readonly ready: Promise<void>;
  /** Whether it was read back, too, and is in the cache. */
  isChecked: boolean;
  /** How much of it is in the image. */
  written: "nothing" | "some" | "all";
}

/** Segments that are made on the threads of the pool, each until it has been read back. */
export class Making {
  readonly #settings: SegmentSettings;
  readonly #making = new Map<Promise<unknown>, Made>();
  /** Compressed, and in memory. */
  readonly #held = new Set<Made>();
  #failure: { readonly thrown: unknown } | undefined;

  constructor(settings: SegmentSettings) {
    this.#settings = settings;
  }

  /** What they hold until they are read back, without their compressed form. */
  get bytes(): number {
    return this.#all().reduce((sum, { segment }) => sum + heldBytes(segment), 0);
  }

  /** What of that is still being compressed. */
  get compressing_bytes(): number {
    return this.#all().reduce((sum, { segment, stored }) => sum + (stored ? 0 : heldBytes(segment)), 0);
  }

  get hasLarge(): boolean {
    return this.#all().some(({ segment }) => segment.isLarge);
  }

  /** Whether there is no room for another one. */
  isFull(segment: Segment): boolean {
    const { size } = this.#making;
    const isMuch = () => this.bytes + heldBytes(segment) > this.#settings.room.bytes_max;
    return size > 0 && (size >= IN_FLIGHT_MAX || isMuch());
  }

  /** Begins one. What it fails with, `ready` and `heed` tell. */
  start(segment: Segment): Made {
    const ready = Promise.withResolvers<void>();
    ready.promise.catch(() => undefined); // heard by whoever waits for it
    const made: Made = { segment, stored: undefined, ready: ready.promise, isChecked: false, written: "nothing" };
    const onReady = (stored: StoredSegment) => {
      made.stored ??= stored;
      if (made.stored.bytes) this.#held.add(made);
      ready.resolve();
    };
    const making = this.#make(segment, onReady)
      .then((stored) => {
        onReady(stored);
        made.isChecked = true;
        this.#letGo(made);
      })
      .catch((thrown: unknown) => {
        this.#failure ??= { thrown };
        ready.reject(thrown);
      })
      .finally(() => this.#making.delete(making));
    this.#making.set(making, made);
    return made;
  }

  /** Settles when one of them is made, or has failed. */
  async one(): Promise<void> {
    await Promise.race(this.#making.keys());
  }

  /** Settles when nothing is made any more. */
  async all(): Promise<void> {
    await Promise.all(this.#making.keys());
  }

  /** @throws what one of them has failed with. */
  heed(): void {
    if (this.#failure) throw this.#failure.thrown;
  }

  /**
   * Calls `write` with what is compressed. Its memory is kept that long.
   * @throws what it, or the making of it, has failed with.
   */
  async write(made: Made, write: (stored: StoredSegment) => Promise<void>): Promise<void> {
    await made.ready;
    made.written = "some";
    if (made.stored) await write(made.stored);
    made.written = "all";
    this.#letGo(made);
  }

  /** Memory that nobody reads any more. What waits for its turn behind many others is in the cache by now: it is read again then. */
  #letGo(made: Made): void {
    const { stored, isChecked, written } = made;
    if (!stored?.bytes || !isChecked || written === "some") return;
    if (written === "nothing" && this.#held.size <= WAITING_MAX) return;
    this.#held.delete(made);
    release(stored.bytes);
    made.stored = { ...stored, bytes: undefined };
  }

  #all(): readonly Made[] {
    return [...this.#making.values()];
  }

  async #make(segment: Segment, onReady: (stored: StoredSegment) => void): Promise<StoredSegment> {
    const { unread } = this.#settings;
    if (segment.isLarge) for (const entry of segment.entries()) if (unread?.has(entry)) unread.hash(entry);
    return makeSegment(this.#settings, segment, onReady);
  }
}

function heldBytes({ isLarge, raw_bytes }: Segment): number {
  return isLarge ? STREAMED_BYTES : raw_bytes;
}
