import { promisify } from "node:util";
import zlib from "node:zlib";
import type { Compression } from "../core/resource.ts";
import { gzip, gzipStream } from "./gzip.ts";
import { pump } from "./pump.ts";

/** What decides the compressed bytes beside the content: part of the key of every cached segment. */
export function compressionKey(compression: Compression): string {
  const { codec, level } = compression;
  const library = codec === "gzip" ? process.versions.zlib : codec === "zstd" ? process.versions.zstd : "";
  return `${codec} ${codec === "none" ? 0 : level} ${library}`;
}

const gunzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gunzip);
const unzstd = promisify<Uint8Array, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress);

/** One member, made on threads of the pool. */
export async function compress(bytes: Uint8Array, compression: Compression): Promise<Uint8Array> {
  if (compression.codec === "none") return bytes;
  return compression.codec === "gzip" ? gzip(bytes, compression.level) : zstd(bytes, compression.level);
}

/**
 * One frame in one go: where its first piece is said to be the last, and there is room for all of the result, zstd reads and writes
 * our memory. Else it copies everything into a window of its own, where it is slower as soon as the window goes round.
 */
function zstd(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  const whole = { flush: zlib.constants.ZSTD_e_end, chunkSize: zstdBound(bytes.length) };
  const stream = zlib.createZstdCompress({ ...zstdOptions(level), ...whole });
  return new Promise((resolve, reject) => {
    stream.once("error", reject).once("data", resolve);
    stream.write(bytes, () => stream.destroy());
  });
}

/** What zstd may need for its result, its ZSTD_COMPRESSBOUND; most of it is never touched. */
function zstdBound(size_bytes: number): number {
  return size_bytes + (size_bytes >> 8) + 1024;
}

/** @param size_bytes the length that the content is expected to have. */
export async function decompress(
  bytes: Uint8Array,
  codec: Compression["codec"],
  size_bytes: number,
): Promise<Uint8Array> {
  if (codec === "none") return bytes;
  const options = { chunkSize: size_bytes + 1024 };
  return codec === "zstd" ? unzstd(bytes, options) : gunzip(bytes, options);
}

/** As `compress`, for content that is not held in memory: chunks in, chunks out. */
export async function* compressStream(
  chunks: Iterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array> {
  if (compression.codec === "none") {
    yield* chunks;
    return;
  }
  if (compression.codec === "zstd") {
    yield* pump(chunks, zlib.createZstdCompress({ ...zstdOptions(compression.level), chunkSize: CHUNK_BYTES }));
    return;
  }
  yield* gzipStream(chunks, compression.level);
}

/** Any number of members, one after another. */
export async function* decompressStream(
  chunks: Iterable<Uint8Array>,
  codec: Compression["codec"],
): AsyncGenerator<Uint8Array> {
  if (codec === "none") yield* chunks;
  else if (codec === "zstd") yield* pump(chunks, zlib.createZstdDecompress({ chunkSize: CHUNK_BYTES }));
  else yield* pump(chunks, zlib.createGunzip({ chunkSize: CHUNK_BYTES }));
}

const CHUNK_BYTES = 1 << 20;
/** The kernel decodes windows of 8 MiB (2^23) at most by its own rule; the checksum tells damage from junk. */
function zstdOptions(level: number): zlib.ZstdOptions {
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag, ZSTD_c_windowLog } = zlib.constants;
  const window = level > 19 ? { [ZSTD_c_windowLog]: 23 } : {};
  return { params: { [ZSTD_c_compressionLevel]: level, [ZSTD_c_checksumFlag]: 1, ...window } };
}
