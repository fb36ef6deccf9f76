import { describe, expect, it } from "vitest";
import { checkValues } from "../../src/documents/values.ts";

function problemsOf(spec: object): readonly string[] {
  const document = {
    kind: "Image",
    name: "a",
    spec: { root: "r", ...spec },
    locate: (path: readonly (string | number)[]) => ({ file: path.join("."), line: 1, column: 1 }),
  };
  return checkValues(document as never).map(({ file, message }) => `${file}: ${message}`);
}

const kernelImage = { path: "/srv/vmlinuz" };

describe("the boot check of an Image", () => {
  it.each([
    [{ check: { boot: { expect: "OK" } }, kernelImage }],
    [{ check: { boot: { expect: "OK", timeout: "90s", memory: "2GiB", machine: "q35" } }, kernelImage: { root: "r" } }],
    [{ kernelImage }],
    [{ kernelImage: { kernel: "k" }, maxSize: "64MiB" }],
    [{ kernelImage, boot: { form: "entry", cmdline: "quiet" }, check: { boot: { expect: "OK", cmdline: "debug" } } }],
    [{ kernelImage, boot: { form: "uki", stub: "/s" }, check: { boot: { expect: "OK", firmware: "/OVMF_CODE.fd" } } }],
  ])("takes %j", (spec) => expect(problemsOf(spec)).toEqual([]));

  it.each([
    [{ check: { boot: { expect: "OK" } } }, ["spec.check.boot: cannot boot the image: it has no kernel"]],
    [
      { check: { boot: { expect: "OK" } }, kernelImage, format: "squashfs" },
      ["spec.check.boot: cannot boot an image of format squashfs: the kernel starts from an initramfs"],
    ],
    [
      { check: { boot: { expect: "a\nb", timeout: "soon", memory: "much", machine: "q35,x=y" } }, kernelImage },
      [
        "spec.check.boot.timeout: cannot read the time `soon`",
        "spec.check.boot.memory: cannot read the size `much`",
        "spec.check.boot.machine: cannot use the machine `q35,x=y`",
        "spec.check.boot.expect: cannot use `expect`: it holds a control character",
      ],
    ],
    [{ boot: { form: "uki" } }, ["spec.boot: cannot boot the image: it has no kernel"]],
    [
      { kernelImage, boot: { form: "entry", stub: "/s", cmdline: "a\tb" } },
      [
        "spec.boot.cmdline: cannot use `cmdline`: it holds a control character",
        "spec.boot.stub: cannot use a stub: the form is entry",
      ],
    ],
    [
      { kernelImage, boot: { form: "uki", stub: "s" }, check: { boot: { expect: "OK", cmdline: "x", firmware: "f" } } },
      [
        "spec.boot.stub: cannot use `s`: it is not absolute",
        "spec.check.boot.cmdline: cannot add to the command line of a uki: it is part of the file",
        "spec.check.boot.firmware: cannot use `f`: it is not absolute",
      ],
    ],
    [
      { kernelImage, check: { boot: { expect: "OK", firmware: "/f" } } },
      ["spec.check.boot.firmware: cannot use firmware: QEMU starts the kernel itself"],
    ],
    [{ kernelImage: {} }, ["spec.kernelImage: cannot find the kernel: none of `path`, `root` and `kernel` is given"]],
    [
      { kernelImage: { kernel: "k", path: "/k" }, maxSize: "much" },
      [
        "spec.maxSize: cannot read the size `much`",
        "spec.kernelImage.kernel: cannot take two kernels: one that is built, and one that is there",
      ],
    ],
    [
      { kernelImage: { path: "boot/vmlinuz" } },
      ["spec.kernelImage.path: cannot use the kernel `boot/vmlinuz`: it is not absolute"],
    ],
  ])("refuses %j, and says where", (spec, problems) => expect(problemsOf(spec)).toEqual(problems));
});

describe("the modules and the firmware of an Image", () => {
  it("are taken by name and by pattern", () => {
    const modules = { kernel: "k", only: ["ext4", "virtio-*"] };
    expect(problemsOf({ modules, firmware: { root: "x", files: ["rtl_nic/*", "**/a.bin"] } })).toEqual([]);
  });

  it("are refused as paths, and from two places", () => {
    const modules = { kernel: "k", root: "x", only: ["fs/ext4", "ext4.ko"] };
    const firmware = { root: "x", volume: { name: "v", path: "../up" }, files: ["/abs", "../x"] };
    expect(problemsOf({ modules, firmware })).toEqual([
      "spec.modules: cannot take modules twice: of a built kernel, and of a root",
      "spec.modules.only.0: cannot pick `fs/ext4`: it is no name of a module",
      "spec.modules.only.1: cannot pick `ext4.ko`: it is no name of a module",
      "spec.firmware: cannot take firmware twice: of a root, and of a volume",
      expect.stringMatching(/^spec.firmware.volume.path: cannot pick/),
      expect.stringMatching(/^spec.firmware.files.0: cannot pick/),
      expect.stringMatching(/^spec.firmware.files.1: cannot pick/),
    ]);
  });
});

describe("the retention of an Image", () => {
  it("takes a number, an age and generations to keep", () => {
    expect(problemsOf({ retention: { generations: 2, age: "30d", keep: ["00c0ffee00c0ffee"] } })).toEqual([]);
  });

  it("refuses an age that is none, and what is no name of a generation", () => {
    expect(problemsOf({ retention: { age: "a month", keep: ["00c0ffee00c0ffee", "current"] } })).toEqual([
      "spec.retention.age: cannot read the time `a month`",
      "spec.retention.keep.1: cannot keep `current`: it is no name of a generation",
    ]);
  });
});
