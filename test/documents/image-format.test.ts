import { describe, expect, it } from "vitest";
import { FORMATS, formatSymbols } from "../../src/core/format.ts";
import { checkValues } from "../../src/documents/values.ts";

function problemsOf(spec: object): readonly string[] {
  const document = {
    kind: "Image",
    name: "a",
    spec: { root: "r", ...spec },
    locate: () => ({ file: "f", line: 1, column: 1 }),
  };
  return checkValues(document as never).map(({ message, hint }) => `${message}; ${hint}`);
}

describe("the format of an Image", () => {
  it("takes every codec and level that it has", () => {
    for (const [format, { codecs }] of Object.entries(FORMATS)) {
      for (const [codec, { levels }] of Object.entries(codecs)) {
        expect(problemsOf({ format, compression: { codec } })).toEqual([]);
        for (const level of levels ?? []) expect(problemsOf({ format, compression: { codec, level } })).toEqual([]);
      }
    }
  });

  it.each([
    [
      "initramfs",
      "xz",
      undefined,
      "cannot compress an image of format initramfs with xz; initramfs has gzip, zstd, none",
    ],
    [
      "squashfs",
      "lz4hc",
      undefined,
      "cannot compress an image of format squashfs with lz4hc; squashfs has gzip, zstd, xz, lz4, none",
    ],
    ["erofs", "zstd", undefined, "cannot compress an image of format erofs with zstd; erofs has lz4, lz4hc, none"],
    ["squashfs", "xz", 6, "cannot use a level: the codec is xz; leave the level out"],
    ["erofs", "lz4hc", 13, "cannot compress with lz4hc level 13; lz4hc has levels 1 to 12"],
    ["initramfs", "gzip", 10, "cannot compress with gzip level 10; gzip has levels 1 to 9"],
  ])("%s refuses %s at level %s", (format, codec, level, problem) => {
    expect(problemsOf({ format, compression: level === undefined ? { codec } : { codec, level } })).toEqual([problem]);
  });

  it("needs a kernel that reads it", () => {
    expect(formatSymbols("squashfs", "zstd")).toEqual(["SQUASHFS", "SQUASHFS_ZSTD"]);
    expect(formatSymbols("erofs", "none")).toEqual(["EROFS_FS"]);
    expect(formatSymbols("initramfs", "gzip")).toEqual(["BLK_DEV_INITRD", "RD_GZIP"]);
  });
});
