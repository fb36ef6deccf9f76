import { execFileSync } from "node:child_process";
import zlib from "node:zlib";
import { describe, expect, it } from "vitest";
import { compress, decompress } from "../../src/pack/compress.ts";
import { repeatingText as content } from "./inputs.ts";

const compression = { codec: "zstd", level: 3 } as const;

/** What the library makes of it where it has all of the content and room for all of the result. */
function inOneGo(bytes: Uint8Array): Buffer {
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = zlib.constants;
  const params = { [ZSTD_c_compressionLevel]: compression.level, [ZSTD_c_checksumFlag]: 1 };
  return zlib.zstdCompressSync(bytes, { params, chunkSize: 2 * bytes.length + 1024 });
}

describe("zstd", () => {
  it.each([0, 1, 1000, 1 << 20, (6 << 20) + 12_345])(
    "makes one frame of %i bytes in one go, which reads back",
    async (size_bytes) => {
      const bytes = content(size_bytes);
      const made = await compress(bytes, compression);
      expect(Buffer.compare(made, inOneGo(bytes))).toBe(0);
      expect(Buffer.compare(await decompress(made, "zstd", size_bytes), bytes)).toBe(0);
      const options = { input: made, maxBuffer: 1 << 24 };
      expect(execFileSync("zstd", ["--decompress", "--stdout"], options).equals(bytes)).toBe(true);
    },
  );

  it("makes the same bytes beside others and alone", async () => {
    const pieces = [1, 2, 3, 4, 5, 6].map((count) => content(count * 700_001));
    const beside = await Promise.all(pieces.map((bytes) => compress(bytes, compression)));
    for (const [index, bytes] of pieces.entries())
      expect(Buffer.compare(beside[index] as Uint8Array, await compress(bytes, compression))).toBe(0);
  });
});
