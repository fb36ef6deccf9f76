import { execFileSync } from "node:child_process";
import { gunzipSync, inflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { gzip, gzipStream } from "../../src/pack/gzip.ts";
import { repeatingText as content } from "./inputs.ts";

const part_bytes = 1 << 20;

/** As a generator gives them that uses its memory again. */
function* inChunks(bytes: Buffer, chunk_bytes: number): Generator<Uint8Array> {
  const chunk = Buffer.alloc(chunk_bytes);
  for (let at = 0; at < bytes.length; at += chunk_bytes) {
    const length = bytes.copy(chunk, 0, at, at + chunk_bytes);
    yield chunk.subarray(0, length);
    chunk.fill(0xff);
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

describe("gzip in parts", () => {
  it.each([0, 1, part_bytes - 1, part_bytes, part_bytes + 1, 4 * part_bytes, 6 * part_bytes + 12_345])(
    "reads back %i bytes",
    async (size_bytes) => {
      const bytes = content(size_bytes);
      const made = await gzip(bytes, 5);
      expect(gunzipSync(made).equals(bytes)).toBe(true);
      expect(
        execFileSync("gzip", ["--decompress", "--stdout"], { input: made, maxBuffer: 1 << 24 }).equals(bytes),
      ).toBe(true);
    },
  );

  it.each([1000, part_bytes, part_bytes + 1, 3 * part_bytes])(
    "makes the same bytes of chunks of %i bytes as of the whole",
    async (chunk_bytes) => {
      const bytes = content(5 * part_bytes + 77);
      expect((await collect(gzipStream(inChunks(bytes, chunk_bytes), 6))).equals(await gzip(bytes, 6))).toBe(true);
    },
  );

  it("is one member: the stream of deflate goes up to the sums at the end", async () => {
    const bytes = content(3 * part_bytes + 5);
    const made = Buffer.from(await gzip(bytes, 9));
    expect(inflateRawSync(made.subarray(10, -8)).equals(bytes)).toBe(true);
    expect(made.subarray(0, 10).toString("hex")).toBe("1f8b0800000000000003");
  });

  it("loses less than 0.2 % of size by the parts: each sees the end of the one before", async () => {
    const bytes = content(4 * part_bytes);
    const made = await gzip(bytes, 5);
    const whole = execFileSync("gzip", ["-5", "--no-name", "--stdout"], { input: bytes, maxBuffer: 1 << 24 });
    expect(made.length).toBeLessThan(whole.length * 1.002);
  });

  it("says what a source of chunks fails with", async () => {
    function* failing(): Generator<Uint8Array> {
      yield content(2 * part_bytes);
      throw new Error("the disk went away");
    }
    await expect(collect(gzipStream(failing(), 5))).rejects.toThrow("the disk went away");
  });
});
