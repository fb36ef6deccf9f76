import zlib from "node:zlib";
import { RootloomError } from "../../core/error.ts";
import type { PulledBytes } from "./pulled-bytes.ts";

const PART_BYTES = 1 << 18;
const HEADER_TEXT_BYTES_MAX = 1 << 16;
const FLAG = { headerCheck: 2, extra: 4, name: 8, comment: 16 } as const;

/**
 * The content of one gzip member (RFC 1952), and no byte behind it: what follows a member may be in another form.
 * Both of its checks are made. @throws RootloomError for damage.
 */
export async function* inflateMember(bytes: PulledBytes): AsyncGenerator<Uint8Array> {
  await skipHeader(bytes);
  let check = 0;
  let size_bytes = 0;
  for await (const part of inflateRaw(bytes)) {
    check = zlib.crc32(part, check);
    size_bytes += part.length;
    yield part;
  }
  const end = await bytes.take(8);
  if (end.length < 8) throw damaged("it ends too early");
  if (end.readUInt32LE(0) !== check || end.readUInt32LE(4) !== size_bytes % 2 ** 32) {
    throw damaged("its checksum is wrong");
  }
}

async function skipHeader(bytes: PulledBytes): Promise<void> {
  const header = await bytes.take(10);
  const flags = header[3] ?? 0;
  if (header.length < 10 || header[2] !== 8 || flags > 31) throw damaged("its header is none");
  if (flags & FLAG.extra) await bytes.take((await bytes.take(2)).readUInt16LE(0));
  if (flags & FLAG.name) await skipText(bytes);
  if (flags & FLAG.comment) await skipText(bytes);
  if (flags & FLAG.headerCheck) await bytes.take(2);
}

async function skipText(bytes: PulledBytes): Promise<void> {
  for (let length = 0; length < HEADER_TEXT_BYTES_MAX; length++) {
    const [byte] = await bytes.take(1);
    if (byte === 0) return;
    if (byte === undefined) break;
  }
  throw damaged("its header does not end");
}

/** One deflate stream; what it did not take of the last part is given back. */
async function* inflateRaw(bytes: PulledBytes): AsyncGenerator<Uint8Array> {
  const stream = zlib.createInflateRaw({ chunkSize: PART_BYTES });
  let done = false;
  const ended = new Promise<void>((resolve) => {
    for (const event of ["end", "close", "error"]) {
      stream.on(event, () => {
        done = true;
        resolve();
      });
    }
  });
  let fed_bytes = 0;
  let last: Uint8Array = new Uint8Array(0);
  const feed = async () => {
    // Its end is told late: a stream that did not take all of a part has ended.
    while (!done && stream.bytesWritten === fed_bytes) {
      const part = await bytes.part(PART_BYTES);
      if (part.length === 0) {
        stream.end();
        return;
      }
      fed_bytes += part.length;
      last = part;
      // Nor does every stream that has ended say that it took a part.
      await Promise.race([new Promise((resolve) => stream.write(part, resolve)), ended]);
    }
  };
  const feeding = feed().catch((thrown: unknown) => stream.destroy(asError(thrown)));
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (thrown) {
    throw thrown instanceof RootloomError ? thrown : damaged(asError(thrown).message);
  } finally {
    stream.destroy();
    await feeding;
  }
  const left_bytes = fed_bytes - stream.bytesWritten;
  if (left_bytes > 0) bytes.giveBack(last.subarray(last.length - left_bytes));
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new RootloomError(String(thrown));
}

function damaged(why: string): RootloomError {
  return new RootloomError(`a gzip member is damaged: ${why}`);
}
