import {
  BOOT_CHECK,
  choice,
  DATE,
  fields,
  flag,
  type JsonSchema,
  MATRIX,
  ON_DELETE,
  PROTECT,
  RETENTION,
  SIZE,
  text,
  texts,
} from "./common.ts";
import { PUBLISH } from "./publish.ts";
import { TARBALL } from "./root-source.ts";

const KERNEL_SOURCE = fields(
  {
    directory: text("Absolute path of a kernel source on the host; it is only read."),
    volume: fields(
      { name: text("A Volume."), path: text("Folder in it, such as linux-6.1. Default: its top.") },
      "A kernel source that stands in a volume; it is only read.",
      ["name"],
    ),
    tarball: TARBALL,
    package: fields(
      {
        name: text("The distribution's source package, such as linux-source-6.1."),
        version: text("Exactly that version. Default: the one that apt offers when it is fetched first."),
      },
      "A Debian package of kernel sources, fetched and verified by apt.",
      ["name"],
    ),
  },
  "Where the kernel's source comes from: exactly one of these. Without it the configuration is only checked.",
);

/** KernelConfig: a .kconfig file, fragments, and symbols that must hold; with a source, the kernel that is built. */
export const kernelConfigSchema: JsonSchema = fields(
  {
    config: text("The .kconfig file beside this document."),
    fragments: texts("Further .kconfig files, laid over it in this order: the later one wins."),
    require: {
      type: "object",
      description: "Symbols that must hold, without CONFIG_: `RD_GZIP: y`.",
      additionalProperties: { type: ["string", "number", "boolean"] },
    },
    needs: choice(
      ["demand", "add"],
      "What images that name this kernel need of it: demand (default) wants it in the configuration, add adds it.",
    ),
    source: KERNEL_SOURCE,
    patches: texts("Patches below the folder of the documents, applied in this order with `patch -p1`."),
    target: text("The ArchTarget that it is built for. Default: the host's own architecture."),
    initramfs: text("An Image of format initramfs that is embedded in the kernel."),
    buildIn: text("A Root whose make and compilers are used; it can only be read meanwhile. Default: the host's."),
    modules: fields(
      { strip: flag("Whether what only debuggers need is taken out of them. Default false.") },
      "Makes the kernel's modules, too, for images that name them: `modules: { kernel: NAME }`.",
    ),
    maxSize: {
      ...SIZE,
      description: `What the kernel may take, with the image in it: the room of its partition. ${SIZE.description}`,
    },
    check: fields(
      {
        boot: fields(BOOT_CHECK, "Boots each new version in a virtual machine, with the image that is in it.", [
          "expect",
        ]),
      },
      "What a new version has to pass before it becomes the current one.",
    ),
    publish: PUBLISH,
    sourceDate: DATE,
    retention: RETENTION,
    protect: PROTECT,
    onDelete: ON_DELETE,
    matrix: MATRIX,
  },
  "Configuration of a kernel, and how it is built.",
  ["config"],
);
