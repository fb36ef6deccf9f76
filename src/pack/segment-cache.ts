import { createHash, hash } from "node:crypto";
import { dirname } from "node:path";
import { RootloomError } from "../core/error.ts";
import type { Compression } from "../core/resource.ts";
import type { Files } from "../host/ports.ts";
import { type FileBeside, openBeside } from "./beside.ts";
import { compress, compressionKey, compressStream, decompress, decompressStream } from "./compress.ts";
import { fill, readContent } from "./content.ts";
import { ImageCheck } from "./image-check.ts";
import { noteWhole } from "./known-whole.ts";
import { type Room, release } from "./room.ts";
import { buildSegment, type Segment, streamSegment } from "./segments.ts";
import type { PackEntry } from "./types.ts";
import type { UnreadContents } from "./unread.ts";

/** A compressed segment: in the cache (the member itself from offset 0, then a footer), in memory, or within an image. */
export interface StoredSegment {
  /** In the cache. */
  readonly path: string;
  readonly size_bytes: number;
  /** Undefined within an image, which is believed by its stamp. */
  readonly sha256: string | undefined;
  /** True where it was there before. */
  readonly reused: boolean;
  /** Its content, where it was just made. */
  readonly bytes?: Uint8Array | undefined;
  /** Where it stands in the image before, which this thread has written: it is taken from there. */
  readonly within?: { readonly image: string; readonly stamp: string; readonly start_bytes: number } | undefined;
}

/** What every segment of one image is made with. */
export interface SegmentSettings {
  readonly files: Files;
  readonly cache: string;
  readonly compression: Compression;
  readonly unread: UnreadContents | undefined;
  /** Memory that segments are built in, one after another. */
  readonly room: Room;
}

const FOOTER_BYTES = 128;
const FOOTER = /^rootloom segment 1 ([0-9a-f]{64}) ([0-9]+) *\n$/;
const CHUNK_BYTES = 1 << 20;

export function segmentPath(cache: string, segment: Segment, compression: Compression): string {
  const key = hash("sha256", `${segment.key} ${compressionKey(compression)}`);
  return `${cache}/segments/${key.slice(0, 1)}/${key}`;
}

/** A stored segment, by its footer and size; undefined when there is none, or not a whole one. Its digest is checked when it is used. */
export function findSegment(files: Files, path: string): StoredSegment | undefined {
  const reader = files.openReader(path);
  if (!reader) return undefined;
  try {
    const size = reader.stat().size - FOOTER_BYTES;
    const footer = Buffer.alloc(FOOTER_BYTES);
    if (size < 0 || fill(reader, footer, size) !== FOOTER_BYTES) return undefined;
    const [, sha256, size_bytes] = FOOTER.exec(footer.toString("latin1")) ?? [];
    return sha256 !== undefined && Number(size_bytes) === size
      ? { path, size_bytes: size, sha256, reused: true }
      : undefined;
  } finally {
    reader.close();
  }
}

/**
 * Builds, compresses and stores one segment. Before it gets its name it is taken apart by a reader that shares no
 * code with the writer, every entry and content is compared with the manifest, and it is decompressed and compared.
 * @param onReady is told of a segment that was made in memory as soon as it is compressed. It can be used, if what it is used for
 *   waits for the rest.
 * @throws RootloomError when a file changed meanwhile or the result does not read back.
 */
export async function makeSegment(
  settings: SegmentSettings,
  segment: Segment,
  onReady: (stored: StoredSegment) => void,
): Promise<StoredSegment> {
  const { files, cache, compression } = settings;
  if (segment.isLarge) {
    const path = segmentPath(cache, segment, compression);
    return store(files, path, (output) => writeStreamed(files, segment, compression, output));
  }
  const memory = settings.room.take(segment.raw_bytes);
  const { raw, compressed } = await readSegment(settings, segment, memory.subarray(0, segment.raw_bytes));
  const path = segmentPath(cache, segment, compression);
  const known = compressed ? undefined : findSegment(files, path);
  if (known) {
    settings.room.giveBack(memory);
    return known;
  }
  const bytes = await (compressed ?? compress(raw, compression));
  const checked = checkBack(bytes, raw, compression);
  checked.catch(() => undefined); // heard when it is stored
  const sha256 = hash("sha256", bytes);
  onReady({ path, size_bytes: bytes.length, sha256, reused: false, bytes });
  const stored = await store(files, path, async (output) => {
    try {
      output.writer.write(bytes);
      return sha256;
    } finally {
      await checked;
    }
  });
  if (bytes !== raw) settings.room.giveBack(memory);
  return { ...stored, bytes };
}

/** @throws RootloomError where compressed bytes are not what they were made of. */
async function checkBack(bytes: Uint8Array, raw: Uint8Array, { codec }: Compression): Promise<void> {
  const back = await decompress(bytes, codec, raw.length);
  if (Buffer.compare(back, raw) !== 0) throw notReadBack();
  if (back !== bytes) release(back);
}

/** A cache that loses a segment makes it again, and one that is torn is found by its digest: it is not waited for. */
async function store(
  files: Files,
  path: string,
  write: (output: FileBeside) => string | Promise<string>,
): Promise<StoredSegment> {
  if (files.stat(dirname(path)) === undefined) files.makeDirectories(dirname(path), 0o700);
  const output = openBeside(files, path, 0o600);
  try {
    const sha256 = await write(output);
    const size_bytes = output.writer.bytes;
    const footer = `rootloom segment 1 ${sha256} ${size_bytes}`.padEnd(FOOTER_BYTES - 1);
    output.writer.write(Buffer.from(`${footer}\n`, "latin1"));
    output.commitUnsynced();
    noteWhole(files, path);
    return { path, size_bytes, sha256, reused: false };
  } catch (thrown) {
    output.discard();
    throw thrown;
  }
}

/**
 * The segment's bytes, as its entries say. Contents are hashed once: those that nobody has read yet when they are read, the
 * others by the check, which so finds a file that changed since it was listed. A slower second try then names it. Meanwhile the
 * bytes are compressed, but for a segment that is still to be looked up: it had no key before its contents were read.
 */
async function readSegment(
  { files, unread, compression }: SegmentSettings,
  segment: Segment,
  memory: Uint8Array,
): Promise<{ readonly raw: Uint8Array; readonly compressed: Promise<Uint8Array> | undefined }> {
  for (const reading of ["fast", "checked"] as const) {
    const hashed = new Map<number, string>();
    const raw = buildSegment(
      segment,
      (entry: PackEntry, into: Uint8Array) => {
        if (unread?.has(entry) !== true) return readContent(files, entry, into, reading);
        unread.readInto(entry, into);
        hashed.set(into.byteOffset, entry.sha256);
      },
      memory,
    );
    const compressed = hashed.size > 0 ? undefined : compress(raw, compression);
    compressed?.catch(() => undefined); // heard by whoever waits for it
    const check = new ImageCheck(segment.entries(), true, hashed);
    check.push(raw);
    if (check.finishSegment().problems.length === 0) return { raw, compressed };
    await compressed?.catch(() => undefined); // it reads the memory that is filled again
  }
  throw notReadBack();
}

async function writeStreamed(
  files: Files,
  segment: Segment,
  compression: Compression,
  output: FileBeside,
): Promise<string> {
  const stored = createHash("sha256");
  for await (const chunk of compressStream(streamSegment(files, segment), compression)) {
    stored.update(chunk);
    output.writer.write(chunk);
  }
  const check = new ImageCheck(segment.entries(), true);
  const written = readChunks(files, output.path, 0, output.writer.bytes);
  for await (const chunk of decompressStream(written, compression.codec)) check.push(chunk);
  if (check.finishSegment().problems.length > 0) throw notReadBack();
  return stored.digest("hex");
}

/** Part of a file in chunks of 1 MiB; each overwrites the one before. */
export function* readChunks(files: Files, path: string, start: number, end: number): Generator<Uint8Array> {
  const reader = files.openReader(path);
  if (!reader) throw new RootloomError(`cannot read ${path}: it does not exist`, { retry: "transient" });
  try {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(1, end - start)));
    for (let position = start; position < end; ) {
      const bytes = fill(reader, buffer.subarray(0, Math.min(buffer.length, end - position)), position);
      if (bytes === 0) return;
      position += bytes;
      yield buffer.subarray(0, bytes);
    }
  } finally {
    reader.close();
  }
}

function notReadBack(): RootloomError {
  return new RootloomError("cannot pack: a compressed segment did not read back as it was written", {
    hint: "the machine's memory or its disk may be faulty; it is tried again",
    retry: "transient",
  });
}
