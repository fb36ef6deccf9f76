import zlib from "node:zlib";
import { RootloomError } from "../../core/error.ts";
import { pump } from "../pump.ts";
import type { PulledBytes } from "./pulled-bytes.ts";

const PART_BYTES = 1 << 18;
/** The largest window that is decoded, 2^27: what the zstd tool takes unless it is told otherwise. */
const WINDOW_LOG_MAX = 27;
const BLOCK_BYTES_MAX = 1 << 17;
const RUN = 1;
const RESERVED = 3;

/**
 * The content of one zstd frame (RFC 8878), and no byte behind it. The end of a frame is found by walking its
 * blocks, which need not be decoded for that. @throws RootloomError for damage.
 */
export async function* decodeFrame(bytes: PulledBytes): AsyncGenerator<Uint8Array> {
  const magic = await bytes.peek(8);
  if (isSkippable(magic)) {
    await skip(bytes, 8 + magic.readUInt32LE(4));
    return;
  }
  const { ZSTD_d_windowLogMax } = zlib.constants;
  const params = { [ZSTD_d_windowLogMax]: WINDOW_LOG_MAX };
  const stream = zlib.createZstdDecompress({ chunkSize: PART_BYTES, params });
  try {
    yield* pump(frameParts(bytes), stream);
  } catch (thrown) {
    if (thrown instanceof RootloomError) throw thrown;
    throw damaged(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

/** Frames of 0x184D2A50 to 5F hold nothing that is decoded. */
export function isSkippable(start: Buffer): boolean {
  return start.length >= 8 && start.readUInt32LE(0) >>> 4 === 0x184d2a5;
}

async function* frameParts(bytes: PulledBytes): AsyncGenerator<Uint8Array> {
  const descriptor = (await bytes.peek(5))[4];
  if (descriptor === undefined) throw damaged("it ends too early");
  const isSingle = (descriptor & 0x20) !== 0;
  const content_bytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >>> 6] ?? 0;
  const dictionary_bytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  yield await exactly(bytes, 5 + (isSingle ? 0 : 1) + dictionary_bytes + content_bytes);
  for (let isLast = false; !isLast; ) {
    const header = await exactly(bytes, 3);
    const word = header.readUIntLE(0, 3);
    const type = (word >>> 1) & 3;
    const size = word >>> 3;
    if (type === RESERVED || (type !== RUN && size > BLOCK_BYTES_MAX)) throw damaged("a block's header is none");
    isLast = (word & 1) === 1;
    yield Buffer.concat([header, await exactly(bytes, type === RUN ? 1 : size)]);
  }
  if (descriptor & 4) yield await exactly(bytes, 4);
}

async function exactly(bytes: PulledBytes, count: number): Promise<Buffer> {
  const taken = await bytes.take(count);
  if (taken.length < count) throw damaged("it ends too early");
  return taken;
}

async function skip(bytes: PulledBytes, count: number): Promise<void> {
  for (let left = count; left > 0; ) {
    const part = await bytes.part(Math.min(left, PART_BYTES));
    if (part.length === 0) throw damaged("it ends too early");
    left -= part.length;
  }
}

function damaged(why: string): RootloomError {
  return new RootloomError(`a zstd frame is damaged: ${why}`);
}
