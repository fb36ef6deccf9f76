import type { Format, ImageCompression } from "./resource.ts";

/** What a format can be compressed with, and who makes it. `levels`: lowest, highest and default; none: it has no levels. */
export interface FormatFacts {
  /** File name in a generation, without what the codec adds. */
  readonly file: string;
  readonly codecs: Readonly<Partial<Record<ImageCompression["codec"], Codec>>>;
  readonly defaultCodec: ImageCompression["codec"];
  /** The tool that makes it, and those that read it back; none: the packer does both. */
  readonly tools: readonly string[];
  /** Debian package of the tools. */
  readonly debian: string;
  /** Path that the kernel starts where the Image names none; empty: nothing is checked. */
  readonly init: string;
}

interface Codec {
  readonly ending?: string;
  readonly levels?: readonly [lowest: number, highest: number, usual: number];
  /** Symbol of the kernel that reads it. */
  readonly symbol?: string;
}

/** Every format of an Image in one list. */
export const FORMATS: Readonly<Record<Format, FormatFacts>> = {
  initramfs: {
    file: "initramfs.cpio",
    codecs: {
      gzip: { ending: ".gz", levels: [1, 9, 5], symbol: "RD_GZIP" },
      zstd: { ending: ".zst", levels: [1, 19, 3], symbol: "RD_ZSTD" },
      none: {},
    },
    defaultCodec: "gzip",
    tools: [],
    debian: "",
    init: "/init",
  },
  squashfs: {
    file: "root.squashfs",
    codecs: {
      gzip: { levels: [1, 9, 9], symbol: "SQUASHFS_ZLIB" },
      zstd: { levels: [1, 19, 15], symbol: "SQUASHFS_ZSTD" },
      xz: { symbol: "SQUASHFS_XZ" },
      lz4: { symbol: "SQUASHFS_LZ4" },
      none: {},
    },
    defaultCodec: "zstd",
    tools: ["mksquashfs", "unsquashfs"],
    debian: "squashfs-tools",
    init: "",
  },
  erofs: {
    file: "root.erofs",
    codecs: { lz4: { symbol: "EROFS_FS_ZIP" }, lz4hc: { levels: [1, 12, 9], symbol: "EROFS_FS_ZIP" }, none: {} },
    defaultCodec: "lz4hc",
    tools: ["mkfs.erofs"],
    debian: "erofs-utils",
    init: "",
  },
};

/** Symbols of a kernel that reads such an image. */
export function formatSymbols(format: Format, codec: ImageCompression["codec"]): readonly string[] {
  const symbol = FORMATS[format].codecs[codec]?.symbol;
  const filesystem = { initramfs: "BLK_DEV_INITRD", squashfs: "SQUASHFS", erofs: "EROFS_FS" }[format];
  return [filesystem, ...(symbol === undefined ? [] : [symbol])];
}
