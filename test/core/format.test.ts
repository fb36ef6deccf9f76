import { describe, expect, it } from "vitest";
import { FORMATS, formatSymbols } from "../../src/core/format.ts";
import type { Format, ImageCompression } from "../../src/core/resource.ts";

type Codec = ImageCompression["codec"];

describe("a format of images", () => {
  it.each([
    ["initramfs", "initramfs.cpio", "gzip", [], "", "/init"],
    ["squashfs", "root.squashfs", "zstd", ["mksquashfs", "unsquashfs"], "squashfs-tools", ""],
    ["erofs", "root.erofs", "lz4hc", ["mkfs.erofs"], "erofs-utils", ""],
  ] as const)(
    "%s is the file %s, usually in %s, made by %j of %s, and starts %j",
    (name, file, codec, tools, debian, init) => {
      const { codecs: _, ...facts } = FORMATS[name];
      expect(facts).toEqual({ file, defaultCodec: codec, tools, debian, init });
    },
  );

  it.each([
    ["initramfs", "gzip", ".gz", [1, 9, 5], ["BLK_DEV_INITRD", "RD_GZIP"]],
    ["initramfs", "zstd", ".zst", [1, 19, 3], ["BLK_DEV_INITRD", "RD_ZSTD"]],
    ["initramfs", "none", undefined, undefined, ["BLK_DEV_INITRD"]],
    ["squashfs", "gzip", undefined, [1, 9, 9], ["SQUASHFS", "SQUASHFS_ZLIB"]],
    ["squashfs", "zstd", undefined, [1, 19, 15], ["SQUASHFS", "SQUASHFS_ZSTD"]],
    ["squashfs", "xz", undefined, undefined, ["SQUASHFS", "SQUASHFS_XZ"]],
    ["squashfs", "lz4", undefined, undefined, ["SQUASHFS", "SQUASHFS_LZ4"]],
    ["squashfs", "none", undefined, undefined, ["SQUASHFS"]],
    ["erofs", "lz4", undefined, undefined, ["EROFS_FS", "EROFS_FS_ZIP"]],
    ["erofs", "lz4hc", undefined, [1, 12, 9], ["EROFS_FS", "EROFS_FS_ZIP"]],
    ["erofs", "none", undefined, undefined, ["EROFS_FS"]],
    ["erofs", "zstd", undefined, undefined, ["EROFS_FS"]],
  ] as const)(
    "%s in %s ends in %s, takes levels %j, and needs a kernel with %j",
    (name, codec, ending, levels, symbols) => {
      expect(FORMATS[name as Format].codecs[codec as Codec]?.ending).toBe(ending);
      expect(FORMATS[name as Format].codecs[codec as Codec]?.levels).toEqual(levels);
      expect(formatSymbols(name, codec)).toEqual(symbols);
    },
  );

  it("has its usual codec among those that it can be compressed with", () => {
    for (const { codecs, defaultCodec } of Object.values(FORMATS)) expect(Object.keys(codecs)).toContain(defaultCodec);
  });
});
