import zlib from "node:zlib";
import type { Reader } from "../../host/ports.ts";
import { fill } from "../content.ts";

const WINDOW_BYTES = 1 << 20;
const HEADER_BYTES = 12;
const FOOTER_BYTES = 12;
/** A record takes 2 bytes at least and stands for a block: no honest image has that many. */
const INDEX_BYTES_MAX = 16 << 20;

/**
 * Where the .xz stream that begins at `start` ends: behind the first footer that agrees with its header and whose
 * index, by its own checksum, stands in front of it. Undefined when there is none. Nothing is decoded.
 */
export function xzEnd(reader: Reader, start: number): number | undefined {
  const header = readAt(reader, start, HEADER_BYTES);
  if (header.length < HEADER_BYTES) return undefined;
  const flags = header.subarray(6, 8);
  const window = Buffer.allocUnsafe(WINDOW_BYTES + FOOTER_BYTES);
  for (let position = start + HEADER_BYTES; ; position += WINDOW_BYTES) {
    const length = fill(reader, window, position);
    for (let offset = 0; offset + FOOTER_BYTES <= length && offset < WINDOW_BYTES; offset += 4) {
      if (window[offset + 10] !== 0x59 || window[offset + 11] !== 0x5a) continue;
      const footer = window.subarray(offset, offset + FOOTER_BYTES);
      if (isFooter(reader, start, position + offset, footer, flags)) return position + offset + FOOTER_BYTES;
    }
    if (length < window.length) return undefined;
  }
}

function isFooter(reader: Reader, start: number, position: number, footer: Buffer, flags: Buffer): boolean {
  if (!footer.subarray(8, 10).equals(flags) || zlib.crc32(footer.subarray(4, 10)) !== footer.readUInt32LE(0)) {
    return false;
  }
  const index_bytes = (footer.readUInt32LE(4) + 1) * 4;
  const begins = position - index_bytes;
  if (index_bytes > INDEX_BYTES_MAX || begins < start + HEADER_BYTES) return false;
  const index = readAt(reader, begins, index_bytes);
  return (
    index.length === index_bytes &&
    index[0] === 0 &&
    zlib.crc32(index.subarray(0, -4)) === index.readUInt32LE(index_bytes - 4)
  );
}

function readAt(reader: Reader, position: number, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  return bytes.subarray(0, fill(reader, bytes, position));
}
