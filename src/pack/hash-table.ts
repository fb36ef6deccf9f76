const KEY_BYTES = 16;
/** A key and a sha256. */
export const RECORD_BYTES = 48;
const CHUNK_RECORDS = 1 << 12;
export const HASH_CHUNK_BYTES = CHUNK_RECORDS * RECORD_BYTES;
/** Of the places in the index, at most so many are taken. */
const FULL = 0.6;

/** Hashes of contents by key, as bytes, found by the first four of a key: a key is the first half of a digest, one byte a character. */
export class HashTable {
  readonly #chunks: Buffer[] = [];
  /** Number of a record, plus one, at the place that its key names, or behind it. */
  #index = new Int32Array(1 << 10);
  #seen = new Uint8Array(1 << 10);
  #count = 0;
  #seenCount = 0;

  get count(): number {
    return this.#count;
  }

  /** How many were asked for or set since this was made. */
  get seenCount(): number {
    return this.#seenCount;
  }

  get(key: string): string | undefined {
    const record = (this.#index[this.#placeOf(key)] ?? 0) - 1;
    if (record < 0) return undefined;
    this.#see(record);
    const offset = (record % CHUNK_RECORDS) * RECORD_BYTES + KEY_BYTES;
    return this.#chunkOf(record).toString("hex", offset, offset + RECORD_BYTES - KEY_BYTES);
  }

  set(key: string, sha256: string): void {
    const known = (this.#index[this.#placeOf(key)] ?? 0) - 1;
    const record = known < 0 ? this.#append(key) : known;
    this.#chunkOf(record).write(sha256, (record % CHUNK_RECORDS) * RECORD_BYTES + KEY_BYTES, "hex");
    this.#see(record);
  }

  /** Takes a chunk over from a table whose records this one lacks: in their order, each but the last with all that it can hold. */
  load(chunk: Buffer, length_bytes: number): void {
    const first = this.#count;
    this.#chunks.push(chunk);
    this.#count += length_bytes / RECORD_BYTES;
    this.#enter(first);
  }

  /** Its records, or only those that were seen. Each part may be overwritten by the next. */
  *records(all: boolean): Generator<Buffer> {
    const kept = all ? undefined : Buffer.allocUnsafe(HASH_CHUNK_BYTES);
    for (const [number, chunk] of this.#chunks.entries()) {
      const first = number * CHUNK_RECORDS;
      const count = Math.min(CHUNK_RECORDS, this.#count - first);
      if (kept === undefined) {
        yield chunk.subarray(0, count * RECORD_BYTES);
        continue;
      }
      let length = 0;
      for (let index = 0; index < count; index++) {
        if (this.#seen[first + index] !== 1) continue;
        chunk.copy(kept, length, index * RECORD_BYTES, (index + 1) * RECORD_BYTES);
        length += RECORD_BYTES;
      }
      yield kept.subarray(0, length);
    }
  }

  /** A record more, with room for its hash. */
  #append(key: string): number {
    if (this.#count % CHUNK_RECORDS === 0) this.#chunks.push(Buffer.allocUnsafeSlow(HASH_CHUNK_BYTES));
    const record = this.#count++;
    this.#chunkOf(record).write(key, (record % CHUNK_RECORDS) * RECORD_BYTES, KEY_BYTES, "latin1");
    this.#enter(record);
    return record;
  }

  #chunkOf(record: number): Buffer {
    return this.#chunks[Math.floor(record / CHUNK_RECORDS)] as Buffer;
  }

  /** Where in the index a key is, or would be. */
  #placeOf(key: string): number {
    const mask = this.#index.length - 1;
    const start = key.charCodeAt(0) | (key.charCodeAt(1) << 8) | (key.charCodeAt(2) << 16) | (key.charCodeAt(3) << 24);
    for (let place = start & mask; ; place = (place + 1) & mask) {
      const record = (this.#index[place] ?? 0) - 1;
      if (record < 0 || this.#isKeyOf(record, key)) return place;
    }
  }

  #isKeyOf(record: number, key: string): boolean {
    const chunk = this.#chunkOf(record);
    const offset = (record % CHUNK_RECORDS) * RECORD_BYTES;
    for (let index = 0; index < KEY_BYTES; index++) {
      if (chunk[offset + index] !== key.charCodeAt(index)) return false;
    }
    return true;
  }

  #see(record: number): void {
    if (this.#seen[record] === 1) return;
    this.#seen[record] = 1;
    this.#seenCount++;
  }

  /** Puts the records from `first` on into the index, which grows where it has to: then all of them. */
  #enter(first: number): void {
    let length = this.#index.length;
    while (this.#count > length * FULL) length *= 2;
    const isLarger = length > this.#index.length;
    if (isLarger) {
      this.#index = new Int32Array(length);
      const seen = new Uint8Array(length);
      seen.set(this.#seen);
      this.#seen = seen;
    }
    const mask = length - 1;
    for (let record = isLarger ? 0 : first; record < this.#count; record++) {
      let place = this.#chunkOf(record).readInt32LE((record % CHUNK_RECORDS) * RECORD_BYTES) & mask;
      while (this.#index[place] !== 0) place = (place + 1) & mask;
      this.#index[place] = record + 1;
    }
  }
}
