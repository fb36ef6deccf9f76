import { createHash } from "node:crypto";
import { RootloomError } from "../core/error.ts";
import type { Files, Writer } from "../host/ports.ts";
import { fill } from "./content.ts";
import type { Milestone } from "./last-image.ts";
import { release } from "./room.ts";
import type { StoredSegment } from "./segment-cache.ts";

const CHUNK_BYTES = 1 << 20;
const SYNC_BYTES = 32 << 20;
const buffer = Buffer.allocUnsafe(CHUNK_BYTES);

/** Writes an image from its parts, and hashes it on the way. */
export class ImageWriter {
  readonly #files: Files;
  readonly #writer: Writer;
  readonly milestones: Milestone[] = [];
  #image = createHash("sha256");
  #unsynced_bytes = 0;
  #syncing: Promise<void> | undefined;
  #failure: { readonly thrown: unknown } | undefined;

  constructor(files: Files, writer: Writer) {
    this.#files = files;
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

  /** Adds a stored segment. False, with nothing written, when it is not what was stored. */
  addStored(segment: StoredSegment): boolean {
    const isWhole = this.#copy(segment);
    if (isWhole)
      this.milestones.push({ segment: segment.path, end_bytes: this.#writer.bytes, hash: this.#image.copy() });
    return isWhole;
  }

  #copy(segment: StoredSegment): boolean {
    if (segment.bytes) {
      this.add(segment.bytes);
      release(segment.bytes);
      return true;
    }
    const part = createHash("sha256");
    for (const chunk of storedChunks(this.#files, segment)) part.update(chunk);
    if (part.digest("hex") !== segment.sha256) return false;
    let size_bytes = 0;
    for (const chunk of storedChunks(this.#files, segment)) {
      this.add(chunk);
      size_bytes += chunk.length;
    }
    if (size_bytes === segment.size_bytes) return true;
    throw new RootloomError(`cannot pack: ${segment.path} went away while it was read`, {
      hint: "something else changes the cache; it is tried again",
      retry: "transient",
    });
  }

  sha256(): string {
    return this.#image.digest("hex");
  }
}

function* storedChunks(files: Files, segment: StoredSegment): Generator<Uint8Array> {
  const reader = files.openReader(segment.path);
  if (!reader) return;
  try {
    for (let position = 0; position < segment.size_bytes; ) {
      const bytes = fill(reader, buffer.subarray(0, Math.min(CHUNK_BYTES, segment.size_bytes - position)), position);
      if (bytes === 0) return;
      position += bytes;
      yield buffer.subarray(0, bytes);
    }
  } finally {
    reader.close();
  }
}

/** Hashes a file that was just written, to be sure that it reads back. */
export function checkWritten(files: Files, path: string, sha256: string): void {
  const digest = createHash("sha256");
  const reader = files.openReader(path);
  for (let position = 0; reader; ) {
    const bytes = fill(reader, buffer, position);
    if (bytes === 0) break;
    digest.update(buffer.subarray(0, bytes));
    position += bytes;
  }
  reader?.close();
  if (digest.digest("hex") === sha256) return;
  throw new RootloomError(`cannot pack: ${path} did not read back as it was written`, {
    hint: "the disk may be faulty; it is tried again",
    retry: "transient",
  });
}
