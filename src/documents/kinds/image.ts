import { choice, DATE, fields, flag, type JsonSchema, MATRIX, ON_DELETE, text, texts, whole } from "./common.ts";

/** Image: what is built from a root, overlays, a kernel and a target. */
export const imageSchema: JsonSchema = fields(
  {
    root: text("The Root that is its lowest layer."),
    overlays: texts("Overlays beside common: hardware/NAME, secret-sauce/NAME."),
    common: flag("Whether the overlay common is laid, too. Default true."),
    kernel: text("The KernelConfig whose symbols are checked for what the image needs."),
    target: text("The ArchTarget it is for."),
    format: choice(["initramfs", "squashfs", "erofs"], "What is built. Default initramfs."),
    compression: fields(
      {
        codec: choice(
          ["gzip", "zstd", "xz", "lz4", "lz4hc", "none"],
          "initramfs: gzip (default), zstd or none; squashfs: zstd (default), gzip, xz, lz4 or none; erofs: lz4hc (default), lz4 or none.",
        ),
        level: whole(
          1,
          19,
          "gzip 1 to 9, default 5 (squashfs 9); zstd 1 to 19, default 3 (squashfs 15); lz4hc 1 to 12, default 9; the others have none.",
        ),
      },
      "How the image is compressed.",
    ),
    exclude: texts("What the root leaves out, anchored at its top; replaces the default list."),
    sourceDate: DATE,
    init: text(
      "Path of the program the kernel starts, which must be there. Default /init for an initramfs, else not checked.",
    ),
    pack: choice(["onChange", "onApprove"], "When it is packed again. Default onChange."),
    retention: fields({ generations: whole(1, 1000, "Versions kept. Default: the host's.") }, "What is kept."),
    onDelete: ON_DELETE,
    matrix: MATRIX,
  },
  "A boot image.",
  ["root"],
);
