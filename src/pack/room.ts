const ROUND_BYTES = 1 << 20;
const BYTES_MAX = 20 << 20;
const BYTES_MIN = 10 << 20;
/** What a list of entries, the hashes by stamp and their order take for each entry. */
const ENTRY_BYTES = 100;

/**
 * Memory for segments on their way, which is used again. Fresh memory for each segment would set the garbage collector going
 * every few of them, which costs more the more entries there are.
 */
export class Room {
  /** What segments on their way may hold together: the less, the more the list of entries takes. */
  readonly bytes_max: number;
  readonly #free: Uint8Array[] = [];
  #taken_bytes = 0;

  /** @param entries number of entries that are packed. */
  constructor(entries: number) {
    this.bytes_max = Math.max(BYTES_MIN, BYTES_MAX - entries * ENTRY_BYTES);
  }

  /** At least `size_bytes`, with whatever was in it. */
  take(size_bytes: number): Uint8Array {
    const index = this.#free.findIndex((each) => each.length >= size_bytes);
    const [found] = index < 0 ? [] : this.#free.splice(index, 1);
    const memory = found ?? this.#allocate(Math.ceil(size_bytes / ROUND_BYTES) * ROUND_BYTES);
    this.#taken_bytes += memory.length;
    return memory;
  }

  giveBack(memory: Uint8Array): void {
    this.#taken_bytes -= memory.length;
    // A small piece may have been in a large one: then more than the limit is held.
    if (this.#held_bytes() + memory.length > this.bytes_max) {
      release(memory);
      return;
    }
    this.#free.push(memory);
    this.#free.sort((a, b) => a.length - b.length);
  }

  /** What is free and too small goes first. */
  #allocate(size_bytes: number): Uint8Array {
    while (this.#free.length > 0 && this.#held_bytes() + size_bytes > this.bytes_max)
      release(this.#free.shift() as Uint8Array);
    return Buffer.allocUnsafeSlow(size_bytes);
  }

  #held_bytes(): number {
    return this.#free.reduce((sum, each) => sum + each.length, this.#taken_bytes);
  }
}

/** Gives memory back to the system at once, not when a collector comes by. Nobody may look at it any more. */
export function release(bytes: Uint8Array): void {
  const { buffer, byteOffset } = bytes;
  // Small ones may be parts of memory that others use too.
  if (buffer instanceof ArrayBuffer && byteOffset === 0 && bytes.length >= ROUND_BYTES >> 2) buffer.transfer(0);
}
