import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { PackInput } from "../../src/host/jobs.ts";
import { jobTable } from "../../src/pack/jobs.ts";
import { context, fileSha256, packInput, temporaryDirectory, treeLayer, writeTree } from "./workspace.ts";

/** What becomes of a segment when it is read back, which takes its time. */
const reading: { isFaulty: boolean; onRead: () => void } = vi.hoisted(() => ({
  isFaulty: false,
  onRead: () => undefined,
}));

vi.mock("../../src/pack/compress.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/pack/compress.ts")>();
  return {
    ...original,
    decompress: async (...values: Parameters<typeof original.decompress>) => {
      await setTimeout(100);
      reading.onRead();
      const back = Buffer.from(await original.decompress(...values));
      if (reading.isFaulty) back[back.length >> 1] = (back[back.length >> 1] ?? 0) ^ 1;
      return back;
    },
  };
});

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
    reading.isFaulty = false;
    reading.onRead = () => undefined;
  });

  it("leaves nothing of the image or of itself where it does not read back", async () => {
    reading.isFaulty = true;
    await expect(pack("image")).rejects.toMatchObject({
      message: expect.stringContaining("a compressed segment did not read back"),
      retry: "transient",
    });
    expect(existsSync(join(work, "image"))).toBe(false);
    expect(readdirSync(work, { recursive: true }).filter((name) => String(name).endsWith(".partial"))).toEqual([]);
    const cached = readdirSync(join(work, "image.cache/segments"), { recursive: true, withFileTypes: true });
    expect(cached.filter((each) => each.isFile())).toEqual([]);
  });

  it.each(["gzip", "zstd"] as const)(
    "stays in memory until then, and the image has no name before (%s)",
    async (codec) => {
      const named: boolean[] = [];
      reading.onRead = () => void named.push(existsSync(join(work, "image")));
      const packed = await pack("image", codec);
      expect(named).toEqual(Array(packed.segments).fill(false));
      expect(fileSha256(join(work, "image"))).toBe(packed.sha256);
      expect((await pack("other", codec)).sha256).toBe(packed.sha256);
    },
  );
});
