import { promisify } from "node:util";
import zlib from "node:zlib";
import { release } from "./room.ts";

const PART_BYTES = 1 << 20;
const WINDOW_BYTES = 1 << 15;
/** Of one that is not in memory, parts that are compressed or wait at one time. */
const STREAMED_PARTS_MAX = 4;
/** Shorter blocks fit programs better: at level 5 and 7 the result is smaller than at 6 and 9, for three quarters of the work. */
const MEMORY = 7;
/** RFC 1952: no name, no time, and the same operating system on all machines. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);

const deflate = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.deflateRaw);

/** One member of what is in memory; see `gzipParts`. */
export async function gzip(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  const made: Uint8Array[] = [];
  for await (const part of gzipParts(cut(bytes), level, Number.POSITIVE_INFINITY)) made.push(part);
  const member = Buffer.concat(made);
  for (const part of made) release(part);
  return member;
}

/** As `gzip`, for content that is not in memory. A chunk may be overwritten when the next one is asked for. */
export function gzipStream(chunks: Iterable<Uint8Array>, level: number): AsyncGenerator<Uint8Array> {
  return gzipParts(gather(chunks), level, STREAMED_PARTS_MAX);
}

/**
 * One member whose stream of deflate is made in parts, on several threads: each part begins with what the window holds of the
 * part before it, and ends at a whole byte. The bytes depend on content and level alone.
 * @param parts_max how many are handed on before the first of them is waited for.
 */
async function* gzipParts(parts: Iterable<Part>, level: number, parts_max: number): AsyncGenerator<Uint8Array> {
  const making: Promise<Uint8Array>[] = [Promise.resolve(HEADER)];
  let window: Uint8Array | undefined;
  let check = 0;
  let size_bytes = 0;
  for (const { bytes, isLast } of parts) {
    const made = deflatePart(bytes, window, isLast, level);
    made.catch(() => undefined); // heard when its turn comes
    making.push(made);
    window = bytes.subarray(-WINDOW_BYTES);
    check = zlib.crc32(bytes, check);
    size_bytes += bytes.length;
    if (making.length >= parts_max) yield await (making.shift() as Promise<Uint8Array>);
  }
  for (const made of making) yield await made;
  yield end(check, size_bytes);
}

function deflatePart(
  bytes: Uint8Array,
  window: Uint8Array | undefined,
  isLast: boolean,
  level: number,
): Promise<Uint8Array> {
  const finishFlush = isLast ? zlib.constants.Z_FINISH : zlib.constants.Z_SYNC_FLUSH;
  const chunkSize = Math.max(bytes.length >> 1, 1024) + 1024;
  return deflate(bytes, { level, memLevel: MEMORY, chunkSize, finishFlush, ...(window && { dictionary: window }) });
}

interface Part {
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/** Views of one piece of memory. */
function* cut(bytes: Uint8Array): Generator<Part> {
  for (let start = 0; start === 0 || start < bytes.length; start += PART_BYTES)
    yield { bytes: bytes.subarray(start, start + PART_BYTES), isLast: start + PART_BYTES >= bytes.length };
}

/** Each in memory of its own. The last may be empty. */
function* gather(chunks: Iterable<Uint8Array>): Generator<Part> {
  let part = Buffer.allocUnsafeSlow(PART_BYTES);
  let length = 0;
  for (const chunk of chunks) {
    for (let start = 0; start < chunk.length; ) {
      if (length === PART_BYTES) {
        yield { bytes: part, isLast: false };
        part = Buffer.allocUnsafeSlow(PART_BYTES);
        length = 0;
      }
      const piece = chunk.subarray(start, start + PART_BYTES - length);
      part.set(piece, length);
      length += piece.length;
      start += piece.length;
    }
  }
  yield { bytes: part.subarray(0, length), isLast: true };
}

function end(check: number, size_bytes: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(check, 0);
  bytes.writeUInt32LE(size_bytes % 2 ** 32, 4);
  return bytes;
}
