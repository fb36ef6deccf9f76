const ROUND_BYTES = 1 << 20;
const KEPT_BYTES_MAX = 4 << 20;

/**
 * Memory that is used again. Fresh memory for each segment would set the garbage collector going every few of them, which
 * costs more the more entries there are.
 */
export class Room {
  readonly #free: Uint8Array[] = [];

  /** At least `size_bytes`, with whatever was in it. */
  take(size_bytes: number): Uint8Array {
    const index = this.#free.findIndex((each) => each.length >= size_bytes);
    const [found] = index < 0 ? [] : this.#free.splice(index, 1);
    return found ?? Buffer.allocUnsafeSlow(Math.ceil(size_bytes / ROUND_BYTES) * ROUND_BYTES);
  }

  giveBack(memory: Uint8Array): void {
    const kept_bytes = this.#free.reduce((sum, each) => sum + each.length, memory.length);
    if (kept_bytes > KEPT_BYTES_MAX) {
      release(memory);
      return;
    }
    this.#free.push(memory);
    this.#free.sort((a, b) => a.length - b.length);
  }
}

/** Gives memory back to the system at once, not when a collector comes by. Nobody may look at it any more. */
export function release(bytes: Uint8Array): void {
  const { buffer, byteOffset } = bytes;
  // Small ones may be parts of memory that others use too.
  if (buffer instanceof ArrayBuffer && byteOffset === 0 && bytes.length >= ROUND_BYTES >> 2) buffer.transfer(0);
}
