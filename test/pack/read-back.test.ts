import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { PackInput } from "../../src/host/jobs.ts";
import { jobTable } from "../../src/pack/jobs.ts";
import { context, fileSha256, packInput, temporaryDirectory, treeLayer, writeTree } from "./workspace.ts";

/** Whether a segment that is read back, which takes its time, is another than was written. */
const reading: { isFaulty: () => boolean } = vi.hoisted(() => ({ isFaulty: () => false }));

vi.mock("../../src/pack/compress.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/pack/compress.ts")>();
  return {
    ...original,
    decompress: async (...values: Parameters<typeof original.decompress>) => {
      await setTimeout(100);
      const isFaulty = reading.isFaulty();
      const back = Buffer.from(await original.decompress(...values));
      if (isFaulty) back[back.length >> 1] = (back[back.length >> 1] ?? 0) ^ 1;
      return back;
    },
  };
});

function listFiles(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
}

describe("a segment that is used before it was read back", () => {
  let work: string;
  let pack: (
    name: string,
    codec?: "gzip" | "zstd",
    previous?: PackInput["previous"],
  ) => ReturnType<typeof jobTable.pack>;

  beforeEach(() => {
    work = temporaryDirectory();
    const root = join(work, "root");
    writeTree(root, { init: "#!/bin/sh\n" });
    chmodSync(join(root, "init"), 0o755);
    for (const name of ["a", "b", "c"]) writeFileSync(join(root, name), randomBytes(3 << 20));
    pack = (name, codec = "gzip", previous) => {
      const input = packInput(join(work, `${name}.cache`), [treeLayer(root)], { compression: { codec, level: 1 } });
      const output = { image: join(work, name), manifest: join(work, `${name}.manifest`) };
      return jobTable.pack({ ...input, ...output, previous }, context);
    };
    reading.isFaulty = () => false;
  });

  it("leaves nothing of the image or of itself where it does not read back", async () => {
    reading.isFaulty = () => true;
    await expect(pack("image")).rejects.toMatchObject({
      message: expect.stringContaining("a compressed segment did not read back"),
      retry: "transient",
    });
    expect(existsSync(join(work, "image"))).toBe(false);
    expect(listFiles(work).filter((name) => name.endsWith(".partial"))).toEqual([]);
    const cached = readdirSync(join(work, "image.cache/segments"), { recursive: true, withFileTypes: true });
    expect(cached.filter((each) => each.isFile())).toEqual([]);
  });

  it("leaves the image before alone where one of the next does not read back", async () => {
    const first = await pack("image");
    const previous = { image: join(work, "image"), sha256: first.sha256 };
    writeFileSync(join(work, "root/a"), randomBytes(3 << 20));
    reading.isFaulty = () => true;
    await expect(pack("next", "gzip", previous)).rejects.toThrow("a compressed segment did not read back");
    expect(existsSync(join(work, "next"))).toBe(false);
    expect(fileSha256(previous.image)).toBe(first.sha256);
  });

  it("ends the packing of many others, and nothing goes on behind it", async () => {
    for (let file = 0; file < 12; file++) writeFileSync(join(work, `root/file-${file}`), randomBytes(3 << 20));
    let reads = 0;
    reading.isFaulty = () => ++reads === 2;
    await expect(pack("image", "zstd")).rejects.toThrow("a compressed segment did not read back");
    const [readThen, filesThen] = [reads, listFiles(work)];
    await setTimeout(400);
    expect(reads).toBe(readThen);
    expect(reads).toBeLessThan(12);
    expect(listFiles(work)).toEqual(filesThen);
    expect(filesThen.filter((name) => name.endsWith(".partial"))).toEqual([]);
  });

  it.each(["gzip", "zstd"] as const)(
    "stays in memory until then, and the image has no name before (%s)",
    async (codec) => {
      const named: boolean[] = [];
      reading.isFaulty = () => named.push(existsSync(join(work, "image"))) < 0;
      const packed = await pack("image", codec);
      expect(named).toEqual(Array(packed.segments).fill(false));
      expect(fileSha256(join(work, "image"))).toBe(packed.sha256);
      expect((await pack("other", codec)).sha256).toBe(packed.sha256);
    },
  );
});
