import { randomBytes } from "node:crypto";
import zlib from "node:zlib";
import { describe, expect, it } from "vitest";
import { decompressStream } from "../../src/pack/compress.ts";

describe("a compressed stream", () => {
  it.each(["gzip", "zstd"] as const)("in %s form that is damaged fails, and is not waited for", async (codec) => {
    const text = Buffer.from(randomBytes(50_000).toString("hex"));
    const params = { [zlib.constants.ZSTD_c_checksumFlag]: 1 };
    const bytes = codec === "gzip" ? zlib.gzipSync(text) : zlib.zstdCompressSync(text, { params });
    bytes.fill(0xa5, 20, 400);
    const read = async () => {
      for await (const part of decompressStream([bytes], codec)) expect(part.length).toBeGreaterThan(0);
    };
    await expect(read()).rejects.toThrow();
  });

  it("that is given up by its reader lets its source go", async () => {
    let released = false;
    function* source(): Generator<Uint8Array> {
      try {
        for (;;) yield zlib.gzipSync(Buffer.alloc(1 << 20));
      } finally {
        released = true;
      }
    }
    for await (const part of decompressStream(source(), "gzip")) {
      expect(part.length).toBeGreaterThan(0);
      break;
    }
    expect(released).toBe(true);
  });
});
