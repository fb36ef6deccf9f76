const NOTHING = new Uint8Array(0);

/**
 * Bytes that are asked for, from a source that gives them in parts of its own size. Holds no more than one
 * part of the source and what was asked for.
 */
export class PulledBytes {
  readonly #open: (position: number) => AsyncIterable<Uint8Array>;
  #parts: AsyncIterator<Uint8Array>;
  #held: Uint8Array = NOTHING;
  #position = 0;

  /** @param open the source from a position on; only a source that is jumped in is opened elsewhere than at 0. */
  constructor(open: (position: number) => AsyncIterable<Uint8Array>) {
    this.#open = open;
    this.#parts = open(0)[Symbol.asyncIterator]();
  }

  /** Bytes that were taken so far. */
  get position(): number {
    return this.#position;
  }

  /** Exactly `count` bytes, fewer only where the source ends; they stay. */
  async peek(count: number): Promise<Buffer> {
    while (this.#held.length < count) {
      const next = await this.#parts.next();
      if (next.done === true) break;
      this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
    }
    return asBuffer(this.#held.subarray(0, count));
  }

  /** As `peek`; they are gone. */
  async take(count: number): Promise<Buffer> {
    const bytes = await this.peek(count);
    this.#use(bytes.length);
    return bytes;
  }

  /** The next bytes, at most `max`, as the source gave them; none at its end. */
  async part(max: number): Promise<Uint8Array> {
    if (this.#held.length === 0) await this.peek(1);
    const bytes = this.#held.subarray(0, max);
    this.#use(bytes.length);
    return bytes;
  }

  /** Puts the bytes back that were taken last. */
  giveBack(bytes: Uint8Array): void {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([bytes, this.#held]);
    this.#position -= bytes.length;
  }

  /** Goes on at another position of the source. */
  async jump(position: number): Promise<void> {
    await this.close();
    this.#held = NOTHING;
    this.#position = position;
    this.#parts = this.#open(position)[Symbol.asyncIterator]();
  }

  async close(): Promise<void> {
    await this.#parts.return?.();
  }

  #use(count: number): void {
    this.#held = this.#held.subarray(count);
    this.#position += count;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
