import { createHash } from "node:crypto";
import { RootloomError } from "../core/error.ts";
import type { Files, Writer } from "../host/ports.ts";
import type { FileBeside } from "./beside.ts";
import { fill } from "./content.ts";
import { isKnownWhole, noteWhole } from "./known-whole.ts";
import type { Milestone } from "./last-image.ts";
import { release } from "./room.ts";
import type { StoredSegment } from "./segment-cache.ts";

const CHUNK_BYTES = 1 << 20;
const SYNC_BYTES = 32 << 20;
const READ_BACK_BYTES = 8 << 20;
const buffer = Buffer.allocUnsafe(CHUNK_BYTES);

/** Writes an image from its parts, and hashes it on the way. */
export class ImageWriter {
  readonly #files: Files;
  readonly #path: string;
  readonly #writer: Writer;
  readonly milestones: Milestone[] = [];
  #image = createHash("sha256");
  readonly #back = createHash("sha256");
  #back_bytes = 0;
  #unsynced_bytes = 0;
  #syncing: Promise<void> | undefined;
  #failure: { readonly thrown: unknown } | undefined;

  constructor(files: Files, { path, writer }: FileBeside) {
    this.#files = files;
    this.#path = path;
    this.#writer = writer;
  }

  add(bytes: Uint8Array): void {
    this.#image.update(bytes);
    this.#writer.write(bytes);
    this.#unsynced_bytes += bytes.length;
    if (this.#unsynced_bytes > SYNC_BYTES && !this.#syncing) this.#syncSoFar();
  }

  /**
   * Waits until no other thread works on the file.
   * @throws what the disk said: the kernel tells of a failure once.
   */
  async settle(): Promise<void> {
    await this.#syncing;
    if (this.#failure) throw this.#failure.thrown;
  }

  /** The disk works while more is compressed, so that little is left to wait for at the end. */
  #syncSoFar(): void {
    this.#unsynced_bytes = 0;
    this.#syncing = this.#writer
      .syncLater()
      .catch((thrown: unknown) => {
        this.#failure = { thrown };
      })
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  /** Begins with what an earlier image begins with. */
  startWith(image: string, start: readonly Milestone[]): void {
    const last = start.at(-1);
    if (!last) return;
    this.#writer.startWith(image, last.end_bytes);
    this.#image = last.hash.copy();
    this.milestones.push(...start);
  }

  /** Whether a segment is what was stored. */
  isWhole(segment: StoredSegment): boolean {
    if (segment.bytes || isKnownWhole(this.#files, segment.path)) return true;
    const part = createHash("sha256");
    for (const chunk of fileChunks(this.#files, segment.path, 0, segment.size_bytes)) part.update(chunk);
    const isWhole = part.digest("hex") === segment.sha256;
    if (isWhole) noteWhole(this.#files, segment.path);
    return isWhole;
  }

  /** Adds a stored segment that is whole. */
  addStored(segment: StoredSegment): void {
    this.#copy(segment);
    this.milestones.push({ segment: segment.path, end_bytes: this.#writer.bytes, hash: this.#image.copy() });
  }

  #copy(segment: StoredSegment): void {
    if (segment.bytes) {
      this.add(segment.bytes);
      release(segment.bytes);
      return;
    }
    let size_bytes = 0;
    for (const chunk of fileChunks(this.#files, segment.path, 0, segment.size_bytes)) {
      this.add(chunk);
      size_bytes += chunk.length;
    }
    if (size_bytes === segment.size_bytes) return;
    throw new RootloomError(`cannot pack: ${segment.path} went away while it was read`, {
      hint: "something else changes the cache; it is tried again",
      retry: "transient",
    });
  }

  sha256(): string {
    return this.#image.digest("hex");
  }

  /** Reads some of what was written and nobody has read back. */
  readBack(): void {
    this.#readBackTo(Math.min(this.#writer.bytes, this.#back_bytes + READ_BACK_BYTES));
  }

  /** Reads back the rest. False where the file as a whole is not what was written. */
  readsBack(sha256: string): boolean {
    this.#readBackTo(this.#writer.bytes);
    return this.#back_bytes === this.#writer.bytes && this.#back.digest("hex") === sha256;
  }

  #readBackTo(end_bytes: number): void {
    for (const chunk of fileChunks(this.#files, this.#path, this.#back_bytes, end_bytes)) {
      this.#back.update(chunk);
      this.#back_bytes += chunk.length;
    }
  }
}

/** Part of a file, or what there is of it; each chunk overwrites the one before. */
function* fileChunks(files: Files, path: string, start: number, end: number): Generator<Uint8Array> {
  const reader = start < end ? files.openReader(path) : undefined;
  if (!reader) return;
  try {
    for (let position = start; position < end; ) {
      const bytes = fill(reader, buffer.subarray(0, Math.min(CHUNK_BYTES, end - position)), position);
      if (bytes === 0) return;
      position += bytes;
      yield buffer.subarray(0, bytes);
    }
  } finally {
    reader.close();
  }
}
