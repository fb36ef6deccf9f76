import type zlib from "node:zlib";

/**
 * Sends parts through a codec. A part is handed back to its generator only when the codec has done with it; one that
 * fails, or is given up, does not say so of the part that it holds, so its end is waited for, too.
 */
export async function* pump(
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  stream: zlib.Gzip | zlib.ZstdCompress | zlib.ZstdDecompress,
): AsyncGenerator<Uint8Array> {
  const closed = new Promise<void>((resolve) => {
    stream.once("close", resolve);
  });
  const feed = async () => {
    for await (const part of parts) {
      await Promise.race([new Promise((resolve) => stream.write(part, resolve)), closed]);
      if (stream.destroyed) return;
    }
    stream.end();
  };
  const feeding = feed().catch((thrown: unknown) => {
    stream.destroy(thrown instanceof Error ? thrown : new Error(String(thrown)));
  });
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } finally {
    stream.destroy();
    await feeding;
  }
}
