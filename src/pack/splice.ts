import { createHash } from "node:crypto";
import { RootloomError } from "../core/error.ts";
import type { Files, Reader, Writer } from "../host/ports.ts";
import type { FileBeside } from "./beside.ts";
import { CHANGED, fill } from "./content.ts";
import { isKnownWhole, noteWhole } from "./known-whole.ts";
import type { Milestone } from "./last-image.ts";
import type { StoredSegment } from "./segment-cache.ts";

const CHUNK_BYTES = 1 << 20;
const SYNC_BYTES = 32 << 20;
const READ_BACK_BYTES = 8 << 20;
const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
/** In turns: one is read and hashed while what is in the other is written. */
const written = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)] as const;

/** Writes an image from its parts, and hashes it on the way. */
export class ImageWriter {
  readonly #files: Files;
  readonly #path: string;
  readonly #writer: Writer;
  readonly milestones: Milestone[] = [];
  #image = createHash("sha256");
  readonly #back = createHash("sha256");
  #back_bytes = 0;
  #bytes = 0;
  #isSecond = false;
  #unsynced_bytes = 0;
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #failure: { readonly thrown: unknown } | undefined;
  /** The image that segments are taken from. */
  #last: { readonly reader: Reader | undefined; readonly image: string; readonly stamp: string } | undefined;

  constructor(files: Files, { path, writer }: FileBeside) {
    this.#files = files;
    this.#path = path;
    this.#writer = writer;
  }

  async add(bytes: Uint8Array): Promise<void> {
    await this.#add(bytes, (part) => this.#writer.write(part));
  }

  /** Writes one piece at a time. */
  async #add(bytes: Uint8Array, write: (part: Uint8Array) => Promise<void> | void): Promise<void> {
    await this.#writing;
    this.#writing = write(bytes) ?? undefined;
    this.#writing?.catch(() => undefined); // heard by the next piece, or at the end
    this.#image.update(bytes);
    this.#bytes += bytes.length;
    this.#unsynced_bytes += bytes.length;
    if (this.#unsynced_bytes > SYNC_BYTES && !this.#syncing) this.#syncSoFar();
  }

  /**
   * Waits until no other thread works on the file.
   * @throws what the disk said: the kernel tells of a failure once; RootloomError where the image before has changed meanwhile.
   */
  async settle(): Promise<void> {
    await Promise.allSettled([this.#syncing]);
    await this.#writing;
    if (this.#failure) throw this.#failure.thrown;
    this.#requireLast();
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
    this.#bytes = last.end_bytes;
    this.#image = last.hash.copy();
    this.milestones.push(...start);
  }

  /** Whether a segment is what was stored. Of one within an image, that image's stamp tells when it is read. */
  isWhole(segment: StoredSegment): boolean {
    if (segment.bytes || segment.within || isKnownWhole(this.#files, segment.path)) return true;
    const part = createHash("sha256");
    for (const chunk of fileChunks(this.#files, segment.path, 0, segment.size_bytes)) part.update(chunk);
    const isWhole = part.digest("hex") === segment.sha256;
    if (isWhole) noteWhole(this.#files, segment.path);
    return isWhole;
  }

  /**
   * Adds a stored segment that is whole.
   * @param isAlone whether nothing is compressed meanwhile, so that another thread is free to write.
   */
  async addStored(segment: StoredSegment, isAlone: boolean): Promise<void> {
    await this.#copy(segment, isAlone);
    this.milestones.push({ segment: segment.path, end_bytes: this.#bytes, hash: this.#image.copy() });
  }

  async #copy(segment: StoredSegment, isAlone: boolean): Promise<void> {
    const write = (part: Uint8Array) => (isAlone ? this.#writer.writeLater(part) : this.#writer.write(part));
    let size_bytes = segment.bytes?.length ?? 0;
    if (segment.bytes) await this.add(segment.bytes);
    else {
      for (const chunk of this.#chunksOf(segment)) {
        await this.#add(chunk, write);
        size_bytes += chunk.length;
      }
    }
    if (size_bytes === segment.size_bytes) return;
    throw wentAway(segment.within?.image ?? segment.path);
  }

  #chunksOf({ path, size_bytes, within }: StoredSegment): Iterable<Uint8Array> {
    const nextBuffer = () => this.#nextBuffer();
    if (!within) return fileChunks(this.#files, path, 0, size_bytes, nextBuffer);
    const { image, stamp, start_bytes } = within;
    if (!this.#last) {
      this.#last = { reader: this.#files.openReader(image), image, stamp };
      this.#requireLast();
    }
    const { reader } = this.#last;
    return reader ? chunks(reader, start_bytes, start_bytes + size_bytes, nextBuffer) : [];
  }

  /** @throws RootloomError, transient, where the image that segments are taken from is not as it was found. */
  #requireLast(): void {
    if (this.#last && this.#last.reader?.stat().stamp !== this.#last.stamp) throw wentAway(this.#last.image);
  }

  /** To be called when nothing is added any more. */
  close(): void {
    this.#last?.reader?.close();
  }

  #nextBuffer(): Uint8Array {
    this.#isSecond = !this.#isSecond;
    return this.#isSecond ? written[1] : written[0];
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

function wentAway(path: string): RootloomError {
  return new RootloomError(`cannot pack: ${path} changed or went away while it was read`, {
    hint: "something else changes the cache, or the images; it is tried again",
    retry: "transient",
    condition: CHANGED,
  });
}

/** Part of a file, or what there is of it; each chunk overwrites what was in its buffer. */
function* fileChunks(
  files: Files,
  path: string,
  start: number,
  end: number,
  nextBuffer: () => Uint8Array = () => buffer,
): Generator<Uint8Array> {
  const reader = start < end ? files.openReader(path) : undefined;
  if (!reader) return;
  try {
    yield* chunks(reader, start, end, nextBuffer);
  } finally {
    reader.close();
  }
}

function* chunks(reader: Reader, start: number, end: number, nextBuffer: () => Uint8Array): Generator<Uint8Array> {
  for (let position = start; position < end; ) {
    const into = nextBuffer().subarray(0, Math.min(CHUNK_BYTES, end - position));
    const bytes = fill(reader, into, position);
    if (bytes === 0) return;
    position += bytes;
    yield into.subarray(0, bytes);
  }
}
