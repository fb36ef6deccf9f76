import { choice, DATE, fields, flag, type JsonSchema, MATRIX, ON_DELETE, text, texts, whole } from "./common.ts";

/** Image: what is built from a root, overlays, a kernel and a target. */
export const imageSchema: JsonSchema = fields(
  {
    root: text("The Root that is its lowest layer."),
    overlays: texts("Overlays beside common: hardware/NAME, secret-sauce/NAME."),
    common: flag("Whether the overlay common is laid, too. Default true."),
    kernel: text("The KernelConfig whose symbols are checked for what the image needs."),
    target: text("The ArchTarget it is for."),
    format: choice(["initramfs"], "What is built. Default initramfs."),
    compression: fields(
      {
        codec: choice(["gzip", "zstd", "none"], "Default gzip."),
        level: whole(1, 19, "gzip 1 to 9, default 6; zstd 1 to 19, default 3."),
      },
      "How the image is compressed.",
    ),
    exclude: texts("What the root leaves out, anchored at its top; replaces the default list."),
    sourceDate: DATE,
    init: text("Path of the program the kernel starts. Default /init."),
    pack: choice(["onChange", "onApprove"], "When it is packed again. Default onChange."),
    retention: fields({ generations: whole(1, 1000, "Versions kept. Default: the host's.") }, "What is kept."),
    onDelete: ON_DELETE,
    matrix: MATRIX,
  },
  "A boot image.",
  ["root"],
);
