import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LayerSource } from "../../src/host/jobs.ts";
import { compose } from "../../src/pack/compose.ts";
import { jobTable } from "../../src/pack/jobs.ts";
import { readTar } from "../../src/pack/tar.ts";
import { context, fileSha256, packInput, temporaryDirectory, treeLayer, writeTree } from "./workspace.ts";

const LONG = `${"long-directory-name/".repeat(8)}${"f".repeat(150)}`;

function makeRoot(work: string): string {
  const root = join(work, "root");
  writeTree(root, { init: "i", "etc/hosts": "hosts", [LONG]: "long", "é name": "unicode", "z/first": "linked" });
  execFileSync("chmod", ["755", join(root, "init")]);
  symlinkSync(`/${LONG}`, join(root, "to-long"));
  linkSync(join(root, "z/first"), join(root, "z/second"));
  mkdirSync(join(root, "empty"));
  execFileSync("mkfifo", [join(root, "pipe")]);
  if (process.getuid?.() === 0) {
    execFileSync("mknod", [join(root, "null"), "c", "1", "3"]);
    execFileSync("chown", ["70000:3000000", join(root, "etc/hosts")]);
  }
  execFileSync("find", [root, "-exec", "touch", "-hd", "@1000", "{}", "+"]);
  return root;
}

function tarball(path: string, fields: Partial<Extract<LayerSource, { type: "tarball" }>> = {}): LayerSource {
  return { type: "tarball", name: "root", path, sha256: fileSha256(path), sourceDate_s: 5_000, ...fields };
}

describe("a tarball layer", () => {
  for (const format of ["gnu", "posix", "v7-bsdtar", "gnu-gzip", "posix-zstd"]) {
    it(`in the ${format} form gives the same entries as the tree it was made from`, async () => {
      const work = temporaryDirectory();
      const root = makeRoot(work);
      const path = join(work, "root.tar");
      const [kind, second] = format.split("-");
      if (second === "bsdtar") execFileSync("bsdtar", ["--format", "pax", "-C", root, "-cf", path, "."]);
      else execFileSync("tar", [`--format=${kind}`, ...(second ? [`--${second}`] : []), "-C", root, "-cf", path, "."]);
      const cache = join(work, "cache");
      const options = { attributes: false };
      const fromTar = await compose(context, packInput(cache, [tarball(path)]), options);
      const fromTree = await compose(context, packInput(cache, [treeLayer(root)]), options);
      const plain = (composition: typeof fromTar) =>
        [...composition.entries].map((entry) => ({ ...entry, source: undefined }));
      expect(plain(fromTar)).toEqual(plain(fromTree));
      expect(fromTar.layers).toEqual(fromTree.layers);
    });
  }

  it.each(["gzip", "zstd"])(
    "that unpacks by %s to nearly all that is free is refused, and leaves nothing",
    async (tool) => {
      const work = temporaryDirectory();
      const [path, cache] = [join(work, "bomb.tar"), join(work, "cache")];
      writeFileSync(path, Buffer.alloc(8 << 20));
      execFileSync(tool, ["-q", path, ...(tool === "zstd" ? ["-o", `${path}.x`] : ["-S", ".x"])]);
      const small = { ...context, files: { ...context.files, freeSpace_bytes: () => 4 << 20 } };
      await expect(
        compose(small, packInput(cache, [tarball(`${path}.x`)]), { attributes: false }),
      ).rejects.toMatchObject({
        message: expect.stringMatching(/bomb\.tar\.x: it unpacks to more than 3\.6 MiB, nine tenths of what is free/),
        condition: "TooLarge",
      });
      expect(readdirSync(join(cache, "tarballs"))).toEqual([]);
    },
  );

  it("packs to the same bytes as its tree, with nothing extracted", async () => {
    const work = temporaryDirectory();
    const path = join(work, "root.tar.gz");
    const root = makeRoot(work);
    execFileSync("tar", ["-C", root, "-czf", path, "."]);
    const [a, b] = [join(work, "a"), join(work, "b")];
    const one = await jobTable.pack(
      { ...packInput(a, [tarball(path)]), image: join(work, "1"), manifest: join(work, "1m") },
      context,
    );
    const two = await jobTable.pack(
      { ...packInput(b, [treeLayer(root)]), image: join(work, "2"), manifest: join(work, "2m") },
      context,
    );
    expect(one.sha256).toBe(two.sha256);
    expect(readdirSync(join(a, "tarballs"))).toEqual([`${fileSha256(path)}.tar`]);
  });

  it("with another hash than declared is refused before anything is unpacked", async () => {
    const work = temporaryDirectory();
    writeTree(work, { "root.tar": "whatever" });
    const layers = [tarball(join(work, "root.tar"), { sha256: "0".repeat(64) })];
    await expect(jobTable.layers(packInput(join(work, "cache"), layers), context)).rejects.toThrow(
      `its sha256 is ${fileSha256(join(work, "root.tar"))}`,
    );
  });

  for (const tool of ["xz", "bzip2"]) {
    it(`compressed by ${tool} is refused with what to do`, async () => {
      const work = temporaryDirectory();
      writeTree(work, { "root.tar": "x" });
      execFileSync(tool, [join(work, "root.tar")]);
      const path = join(work, `root.tar.${tool === "xz" ? "xz" : "bz2"}`);
      const layers = jobTable.layers(packInput(join(work, "cache"), [tarball(path)]), context);
      await expect(layers).rejects.toMatchObject({
        hint: expect.stringContaining(`${tool} must have decompressed it`),
      });
    });
  }

  it("with a path that leads out of the tree is refused", async () => {
    const work = temporaryDirectory();
    writeTree(work, { outside: "x", "inside/file": "y" });
    const path = join(work, "bad.tar");
    execFileSync("tar", ["-C", join(work, "inside"), "-Pcf", path, "../outside"]);
    const layers = jobTable.layers(packInput(join(work, "cache"), [tarball(path)]), context);
    await expect(layers).rejects.toThrow("/../outside leads out of the tree");
  });

  it("with a sparse file is refused with a hint", async () => {
    const work = temporaryDirectory();
    execFileSync("truncate", ["-s", "1M", join(work, "sparse")]);
    for (const format of ["gnu", "posix"]) {
      const path = join(work, `${format}.tar`);
      execFileSync("tar", [`--format=${format}`, "-C", work, "--sparse", "-cf", path, "sparse"]);
      const layers = jobTable.layers(packInput(join(work, "cache"), [tarball(path)]), context);
      await expect(layers).rejects.toMatchObject({
        message: expect.stringContaining("sparse"),
        hint: expect.stringContaining("--sparse"),
      });
    }
  });

  it("that is cut short or damaged is refused", async () => {
    const work = temporaryDirectory();
    const root = makeRoot(work);
    const path = join(work, "root.tar");
    execFileSync("tar", ["-C", root, "-cf", path, "."]);
    const whole = readFileSync(path);
    const damaged = Buffer.from(whole);
    damaged[100] = 0x37;
    for (const [bytes, why] of [
      [whole.subarray(0, 1536), "is cut short"],
      [damaged, "checksum is wrong"],
    ] as const) {
      writeFileSync(path, bytes);
      const layers = jobTable.layers(packInput(join(work, "cache"), [tarball(path)]), context);
      await expect(layers).rejects.toThrow(why);
    }
  });

  it("takes fractions of seconds and negative times as whole seconds before", () => {
    const work = temporaryDirectory();
    writeTree(work, { file: "x" });
    execFileSync("touch", ["-d", "@-1.5", join(work, "file")]);
    execFileSync("tar", ["--format=posix", "-C", work, "-cf", join(work, "t.tar"), "file"]);
    const bytes = readFileSync(join(work, "t.tar"));
    const readAt = (into: Uint8Array, position: number) => bytes.copy(into, 0, position);
    expect([...readTar(readAt, "t.tar")].map(({ path, modified_s }) => [path, modified_s])).toEqual([["file", -2]]);
  });
});
