import {
  BOOT_CHECK,
  choice,
  DATE,
  fields,
  flag,
  type JsonSchema,
  MATRIX,
  ON_DELETE,
  RETENTION,
  SIZE,
  text,
  texts,
  whole,
} from "./common.ts";
import { PUBLISH } from "./publish.ts";

/** Image: what is built from a root, overlays, a kernel and a target. */
export const imageSchema: JsonSchema = fields(
  {
    root: text("The Root that is its lowest layer."),
    overlays: texts("Overlays beside common: hardware/NAME, secret-sauce/NAME."),
    common: flag("Whether the overlay common is laid, too. Default true."),
    kernel: text(
      "The KernelConfig whose symbols are checked for what the image needs; with `boot` or `check`, and without `kernelImage`, also the kernel that starts it.",
    ),
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
    strip: choice(
      ["packageManager"],
      "What is left out beside: the programs, libraries and databases of apt, dpkg and Portage.",
    ),
    sourceDate: DATE,
    init: text(
      "Path of the program the kernel starts, which must be there. Default /init for an initramfs, else not checked.",
    ),
    kernelImage: fields(
      {
        path: text("Absolute path of the kernel: in the root where one is named, else on the host."),
        root: text("The Root that has the kernel; without a path, the newest in its /boot."),
        kernel: text("The KernelConfig that is built; instead of path and root."),
      },
      "The kernel that the image is booted with.",
    ),
    modules: fields(
      {
        kernel: text("The KernelConfig that is built with its modules."),
        root: text(
          "The Root that has them below /lib/modules; of several releases the newest. Default: the image's own.",
        ),
        only: texts("Names of modules, `*` for any letters; what they depend on comes with them. Default: all."),
      },
      "Kernel modules, in the place of those that the root has.",
    ),
    firmware: fields(
      {
        root: text("The Root that has the files below /lib/firmware. Default: the image's own."),
        volume: fields(
          { name: text("A Volume."), path: text("Folder in it. Default: its top.") },
          "A volume with firmware files.",
          ["name"],
        ),
        files: texts("Patterns of paths below that folder: `*` within a name, `**` any folders."),
      },
      "Firmware files, in the place of those that the root has.",
      ["files"],
    ),
    boot: fields(
      {
        form: choice(
          ["uki", "entry"],
          "uki: one EFI program of kernel, initramfs and command line. entry: kernel and initramfs side by side, with a Boot Loader Specification entry.",
        ),
        cmdline: text("The kernel's command line."),
        stub: text(
          "Of uki: systemd's EFI stub. Default: that of the kernel's architecture in /usr/lib/systemd/boot/efi.",
        ),
        sign: fields(
          {
            key: text(
              "Absolute path of a private RSA key, PEM, readable by its owner alone. It stands on the host, not in git.",
            ),
            certificate: text("Absolute path of its certificate, PEM."),
          },
          "Signs what firmware starts, for Secure Boot: the uki, or the kernel of an entry.",
          ["key", "certificate"],
        ),
        microcode: {
          type: ["string", "array"],
          items: { type: "string", minLength: 1 },
          description:
            "Updates of processors in front of the initramfs: a folder or a file of the host (absolute), of the image's root (root:lib/firmware/amd-ucode) or of the commit.",
        },
      },
      "A tree for the EFI system partition beside the initramfs, with the kernel of `kernelImage`.",
      ["form"],
    ),
    check: fields(
      {
        boot: fields(
          {
            ...BOOT_CHECK,
            firmware: text(
              "Of a uki: the code of OVMF, with its variables beside. Default: where distributions have it.",
            ),
          },
          "Boots each new version in a virtual machine, with the kernel of `kernelImage`.",
          ["expect"],
        ),
      },
      "What a new version has to pass before it becomes the current one.",
    ),
    maxSize: {
      ...SIZE,
      description: `What a version may take, with all that comes with it: the room of its partition. ${SIZE.description}`,
    },
    publish: PUBLISH,
    pack: choice(["onChange", "onApprove"], "When it is packed again. Default onChange."),
    retention: RETENTION,
    onDelete: ON_DELETE,
    matrix: MATRIX,
  },
  "A boot image.",
  ["root"],
);
