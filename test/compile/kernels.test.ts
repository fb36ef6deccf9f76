import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import { mergedKey } from "../../src/compile/context.ts";
import { kernelConfigKey } from "../../src/compile/kernels.ts";
import type { KernelResource } from "../../src/core/resource.ts";
import { loadDocuments } from "../../src/documents/load.ts";
import { snapshotOf } from "../documents/snapshot.ts";
import { type Files, head, inputOf, TARGET_NAME } from "./written.ts";

const CONFIG = { sha256: "c1", size: 1, content: "/cache/merged/c1" };
const FILES: Files = {
  "kernels/k.kconfig": "CONFIG_A=y\n",
  "patches/1.patch": "one",
  "volumes/sources.yaml": `${head("Volume", "sources")}  backend: directory\n`,
  "volumes/v.yaml": `${head("Volume", "v")}  backend: directory\n`,
  "roots/r.yaml": `${head("Root", "r")}  volume: v\n  source: {mmdebstrap: {suite: s}}\n`,
  "images/a.yaml": `${head("Image", "a")}  root: r\n`,
  "targets/i686.yaml": `${head("ArchTarget", "i686")}  cpu: i686\n  triplet: i686-linux-gnu\n`,
  "targets/arm.yaml": `${head("ArchTarget", "arm")}  triplet: aarch64-linux-gnu\n  crossPrefix: arm64-\n`,
  "targets/odd.yaml": `${head("ArchTarget", "odd")}  cpu: riscv64\n`,
};

function compileFiles(spec: string, name: string, more: Files) {
  const files = { ...FILES, ...more, "kernels/k.yaml": `${head("KernelConfig", name)}  config: k.kconfig\n${spec}` };
  const merged = new Map(["k", "k-i686", "k-arm"].map((each) => [kernelConfigKey(each), CONFIG]));
  return compile({ ...inputOf(files), merged });
}

/** The kernels of one KernelConfig, and what is wrong with it. */
function kernels(spec: string, name = "k", more: Files = {}) {
  const { graph, problems } = compileFiles(spec, name, more);
  const found = graph.resources.filter((resource): resource is KernelResource => resource.kind === "kernel");
  return { found, problems: problems.map(({ line, message, hint }) => `${line}: ${message}: ${hint}`) };
}
const DIRECTORY = "  source: {directory: /usr/src/linux}\n";

describe("a kernel configuration", () => {
  it("without a source is no resource; with one it has all that it declares", () => {
    expect(kernels("").found).toEqual([]);
    const { found } = kernels(
      `  source: {package: {name: linux-source-6.1, version: "6.1"}}\n  patches: [patches/1.patch]\n  sourceDate: 5\n  require: {B: true, C: 3}\n  retention: {generations: 9, age: 30d, keep: ["00c0ffee00c0ffee"]}\n  onDelete: destroy\n  protect: true\n`,
    );
    expect(found).toMatchObject([
      {
        ...{ id: "kernel/k", path: "/state/kernels/k", identity: "path:/state/kernels/k", dependsOn: [] },
        source: { type: "package", name: "linux-source-6.1", version: "6.1" },
        patches: [{ path: "patches/1.patch" }],
        config: { path: "k.kconfig", sha256: "c1", content: "/cache/merged/c1" },
        ...{ required: { B: "y", C: "3" }, added: {}, sourceDate_s: 5, jobs: 1 },
        ...{ generations: 9, generationAge_s: 2_592_000, pinned: ["00c0ffee00c0ffee"] },
        ...{ protect: true, onDelete: "destroy", architecture: undefined },
      },
    ]);
    expect(kernels(DIRECTORY).found).toMatchObject([{ source: { type: "directory", path: "/usr/src/linux" } }]);
    const volume = kernels("  source: {volume: {name: sources, path: linux}}\n").found;
    expect(volume).toMatchObject([{ source: { path: "/state/volumes/sources/linux" }, dependsOn: ["volume/sources"] }]);
    const tarball = kernels(`  source: {tarball: {path: l.tar, sha256: ${"a".repeat(64)}}}\n`).found;
    expect(tarball).toMatchObject([{ source: { type: "tarball", location: "/srv/config/desired/l.tar" } }]);
  });

  it("has the usual values for all that it does not declare", () => {
    const { found, problems } = kernels(DIRECTORY);
    expect(problems).toEqual([]);
    expect(found).toStrictEqual([
      {
        ...{ id: "kernel/k", kind: "kernel", name: "k", path: "/state/kernels/k", identity: "path:/state/kernels/k" },
        ...{ dependsOn: [], protect: false, onDelete: "retain", source: { type: "directory", path: "/usr/src/linux" } },
        origin: { document: "KernelConfig/k", file: "desired/kernels/k.yaml", line: 1, column: 1 },
        config: { path: "k.kconfig", sha256: "c1", content: "/cache/merged/c1" },
        ...{ patches: [], added: {}, required: {}, sourceDate_s: 0, generations: 3, jobs: 1, initramfs: undefined },
        ...{ buildIn: undefined, modules: undefined, bootCheck: undefined, maxSize_bytes: undefined },
        ...{ generationAge_s: undefined, pinned: undefined },
        ...{ architecture: undefined, triplet: undefined, crossPrefix: undefined },
      },
    ]);
    expect(kernels(`${DIRECTORY}  modules: {}\n`).found).toMatchObject([{ modules: { strip: false } }]);
    const top = kernels("  source: {volume: {name: sources}}\n").found;
    expect(top).toMatchObject([{ source: { type: "directory", path: "/state/volumes/sources" } }]);
  });

  it("whose files could not be read is not built", () => {
    const files = { ...FILES, "kernels/k.yaml": `${head("KernelConfig", "k")}  config: k.kconfig\n${DIRECTORY}` };
    const resources = compile(inputOf(files)).graph.resources;
    expect(resources.some(({ kind }) => kind === "kernel")).toBe(false);
  });

  it("is one of its own: no other name, and no file, has its place among what is put together", () => {
    expect(kernelConfigKey("k")).not.toBe(kernelConfigKey("l"));
    expect(kernelConfigKey("k")).toBe(mergedKey(["", "k"]));
  });

  it("has to have what its images need of it, or gets it where that is the policy", () => {
    const needed = { BINFMT_ELF: "y", BLK_DEV_INITRD: "y", DEVTMPFS: "y", RD_GZIP: "y" };
    const embedded = kernels(`${DIRECTORY}  initramfs: a\n  require: {RD_GZIP: m}\n`).found;
    expect(embedded[0]?.required).toEqual({ ...needed, RD_GZIP: "m" });
    expect(Object.keys(embedded[0]?.required ?? {})).toEqual(["BINFMT_ELF", "BLK_DEV_INITRD", "DEVTMPFS", "RD_GZIP"]);
    expect(embedded).toMatchObject([
      {
        ...{ dependsOn: ["artifact/a"], added: {} },
        initramfs: { artifact: "artifact/a", path: "/state/artifacts/a", file: "initramfs.cpio.gz", secret: false },
      },
    ]);
    const beside = { "images/b.yaml": `${head("Image", "b")}  root: r\n  kernel: k\n  compression: {codec: zstd}\n` };
    const added = { BINFMT_ELF: "y", BLK_DEV_INITRD: "y", DEVTMPFS: "y", RD_ZSTD: "y" };
    const { found } = kernels(`${DIRECTORY}  needs: add\n`, "k", beside);
    expect(found.map((kernel) => [kernel.added, kernel.required])).toEqual([[added, added]]);
    expect(kernels(`${DIRECTORY}  needs: demand\n`, "k", beside).found[0]?.added).toEqual({});
    const booted = { "images/b.yaml": beside["images/b.yaml"].replace("kernel: k", "kernelImage: {kernel: k}") };
    expect(kernels(DIRECTORY, "k", booted).found[0]?.required).toEqual(added);
    const other = { "images/b.yaml": beside["images/b.yaml"].replace("kernel: k", "kernelImage: {path: /k}") };
    expect(kernels(DIRECTORY, "k", other).found[0]?.required).toEqual({});
    const uki = {
      "images/b.yaml": `${head("Image", "b")}  root: r\n  kernel: k\n  compression: {codec: zstd}\n  boot: {form: uki}\n`,
    };
    const efi = { ...added, EFI: "y", EFI_STUB: "y" };
    expect(kernels(`${DIRECTORY}  needs: add\n`, "k", uki).found).toMatchObject([{ added: efi, required: efi }]);
  });

  it("is booted before it is current, and is no larger than it may be, where that is declared", () => {
    const check = "  maxSize: 8MiB\n  check: {boot: {expect: UP, timeout: 90s, cmdline: quiet}}\n";
    expect(kernels(`${DIRECTORY}${check}`).found).toMatchObject([
      {
        maxSize_bytes: 8 * 1024 ** 2,
        bootCheck: { expect: "UP", timeout_s: 90, cmdline: "quiet", machine: undefined },
      },
    ]);
  });

  it("that an image is booted with comes before that image; one that is not built is none", () => {
    const beside = { "images/b.yaml": `${head("Image", "b")}  root: r\n  kernelImage: {kernel: k}\n` };
    const image = compileFiles(`${DIRECTORY}`, "k", beside).graph.resources.find(({ id }) => id === "artifact/b");
    const kernel = { type: "built", kernel: "kernel/k", path: "/state/kernels/k/current/kernel" };
    expect(image).toMatchObject({ dependsOn: ["kernel/k", "tree/r"], kernel });
    expect(kernels("", "k", beside).problems).toEqual([
      "7: cannot boot Image b with kernel k: that is not built: give the KernelConfig a `source`",
    ]);
    const both = { "images/a.yaml": `${head("Image", "a")}  root: r\n  kernelImage: {kernel: k}\n` };
    expect(kernels(`${DIRECTORY}  initramfs: a\n`, "k", both).problems.join()).toContain(
      "artifact/a needs kernel/k needs artifact/a",
    );
  });

  it("whose modules an image takes makes them, and comes before that image, which has none of its root's own", () => {
    const beside = { "images/b.yaml": `${head("Image", "b")}  root: r\n  modules: {kernel: k, only: [ext4]}\n` };
    const { graph } = compileFiles(`${DIRECTORY}  needs: add\n  modules: {strip: true}\n`, "k", beside);
    const [kernel] = graph.resources.filter(({ kind }) => kind === "kernel");
    expect(kernel).toMatchObject({ modules: { strip: true }, required: { MODULES: "y" }, added: { MODULES: "y" } });
    expect(graph.resources.find(({ id }) => id === "artifact/b")).toMatchObject({
      dependsOn: ["kernel/k", "tree/r"],
      modules: { from: { type: "kernel", kernel: "kernel/k", path: "/state/kernels/k" }, only: ["ext4"] },
      excludes: expect.arrayContaining(["lib/modules/*", "usr/lib/modules/*"]),
    });
    const embedded = { "images/a.yaml": `${head("Image", "a")}  root: r\n  modules: {kernel: k}\n`, ...beside };
    const both = compileFiles(
      `${DIRECTORY}  initramfs: a\n  modules: {}\n  check: {boot: {expect: UP}}\n`,
      "k",
      embedded,
    );
    expect(both.problems).toEqual([]);
    const of = (id: string) => both.graph.resources.find((each) => each.id === id);
    expect(of("kernel/k@modules")).toMatchObject({ dependsOn: [], modules: { strip: false }, modulesOf: "k" });
    expect(of("kernel/k@modules")).toMatchObject({ initramfs: undefined, bootCheck: undefined });
    expect(of("kernel/k")).toMatchObject({
      dependsOn: ["artifact/a"],
      modules: undefined,
      bootCheck: { expect: "UP" },
    });
    for (const image of ["artifact/a", "artifact/b"])
      expect(of(image)).toMatchObject({
        dependsOn: ["kernel/k@modules", "tree/r"],
        modules: { from: { kernel: "kernel/k@modules", path: "/state/kernels/k@modules" } },
      });
    expect(kernels(DIRECTORY, "k", beside).problems).toEqual([
      "7: cannot take the modules of kernel k into Image b: they are not made: write `modules: {}` into the KernelConfig",
    ]);
  });

  it("is no source of what an image takes of its root, or of a volume", () => {
    const picked = "  modules: {}\n  firmware: {volume: {name: sources, path: fw}, files: [a/*]}\n";
    const { graph } = compileFiles("", "k", { "images/b.yaml": `${head("Image", "b")}  root: r\n${picked}` });
    expect(graph.resources.find(({ id }) => id === "artifact/b")).toMatchObject({
      dependsOn: ["tree/r", "volume/sources"],
      modules: { from: { type: "tree", tree: "tree/r", top: "/state/volumes/v/root" }, only: undefined },
      firmware: { top: "/state/volumes/sources", folder: "fw", place: "volume/sources", files: ["a/*"] },
      excludes: expect.arrayContaining(["lib/firmware/*"]),
    });
    const tarball = `${head("Root", "r")}  source: {tarball: {path: r.tar, sha256: ${"a".repeat(64)}}}\n`;
    const without = { "roots/r.yaml": tarball, "images/b.yaml": `${head("Image", "b")}  root: r\n${picked}` };
    expect(kernels("", "k", without).problems).toEqual([
      "7: cannot take modules of Root r into Image b: it has no volume: give the root a volume, or name another place",
    ]);
  });

  it("is built by a root once that is provisioned; by one that stands on the host", () => {
    const provisioned = `${head("Root", "r")}  volume: v\n  source: {mmdebstrap: {suite: s}}\n  provision: {steps: [{name: one, run: "true"}]}\n`;
    const { found } = kernels(`${DIRECTORY}  buildIn: r\n`, "k", { "roots/r.yaml": provisioned });
    expect(found).toMatchObject([
      { dependsOn: ["provision/r", "tree/r"], buildIn: { tree: "tree/r", path: "/state/volumes/v/root" } },
    ]);
    expect(kernels(`${DIRECTORY}  buildIn: r\n`).found[0]?.dependsOn).toEqual(["tree/r"]);
    const tarball = `${head("Root", "r")}  source: {tarball: {path: r.tar, sha256: ${"a".repeat(64)}}}\n`;
    expect(kernels(`${DIRECTORY}  buildIn: r\n`, "k", { "roots/r.yaml": tarball }).problems).toEqual([
      "8: cannot build kernel k in Root r: it has no volume: give the root a volume",
    ]);
  });

  it("is one kernel a target, for the architecture that the target tells", () => {
    const { found, problems } = kernels(`${DIRECTORY}  matrix: {targets: [i686, arm]}\n`, `k-${TARGET_NAME}`);
    expect(problems).toEqual([]);
    expect(found).toMatchObject([
      { name: "k-arm", architecture: "arm64", crossPrefix: "arm64-", triplet: "aarch64-linux-gnu" },
      { name: "k-i686", architecture: "i386", crossPrefix: undefined, triplet: "i686-linux-gnu" },
    ]);
    expect(kernels(`${DIRECTORY}  target: odd\n`).problems).toEqual([
      "8: cannot build kernel k for ArchTarget odd: its architecture is riscv64: kernels are built for cpu x86_64, i686 and aarch64",
    ]);
    const silent = { "targets/odd.yaml": `${head("ArchTarget", "odd")}  variables: {A: x}\n` };
    expect(kernels(`${DIRECTORY}  target: odd\n`, "k", silent).problems).toEqual([
      "8: cannot build kernel k for ArchTarget odd: its architecture is not said: kernels are built for cpu x86_64, i686 and aarch64",
    ]);
    const makefiles = { "targets/odd.yaml": `${head("ArchTarget", "odd")}  kernelArch: arm64\n` };
    expect(kernels(`${DIRECTORY}  target: odd\n`, "k", makefiles).found).toMatchObject([{ architecture: "arm64" }]);
  });

  it("with a secret image in it says so", () => {
    const secret = {
      "overlays/secret-sauce/s/key": "k",
      "images/a.yaml": `${head("Image", "a")}  root: r\n  overlays: [secret-sauce/s]\n`,
    };
    expect(kernels(`${DIRECTORY}  initramfs: a\n`, "k", secret).found).toMatchObject([{ initramfs: { secret: true } }]);
  });

  it("names files and images that it can use", () => {
    const squashed = { "images/a.yaml": `${head("Image", "a")}  root: r\n  format: squashfs\n` };
    expect(kernels(`${DIRECTORY}  initramfs: a\n`, "k", squashed).problems).toEqual([
      "8: cannot embed Image a in kernel k: its format is squashfs: take `format: squashfs` from the image: initramfs.cpio is embedded",
    ]);
    const source = "  source: {package: {name: linux-source}}\n";
    const wrong = kernels(
      `${source}  patches:\n    - patches/1.patch\n    - patches/2.patch\n    - kernels/k.kconfig\n`,
    );
    expect(wrong.problems).toEqual([
      "10: cannot use the patch `patches/2.patch`: it is not in the folder of the documents: commit it there, or correct the path",
      "11: cannot use the patch `kernels/k.kconfig`: it is read as a document: let its name end in .patch",
    ]);
    expect(wrong.found[0]?.patches.map(({ path }) => path)).toEqual(["patches/1.patch"]);
  });

  it("is refused where its fields do not go together", () => {
    const problems = (spec: string): readonly string[] => {
      const files = { ...FILES, "kernels/k.yaml": `${head("KernelConfig", "k")}  config: k.kconfig\n${spec}` };
      return loadDocuments(snapshotOf(files)).problems.map(({ message }) => message);
    };
    expect(problems("  needs: add\n  initramfs: a\n")).toEqual([
      "cannot use `needs`: the kernel has no source and is not built",
      "cannot use `initramfs`: the kernel has no source and is not built",
    ]);
    expect(problems("  source: {}\n")).toEqual(["cannot find the kernel's source: none is declared"]);
    expect(problems("  source: {directory: /a, package: {name: linux-source}}\n")).toEqual([
      "cannot find the kernel's source: directory and package are both declared",
    ]);
    expect(problems("  source: {directory: src}\n")).toEqual(["cannot use the source `src`: it is not absolute"]);
    expect(problems("  source: {volume: {name: no, path: ../x}}\n")).toHaveLength(2);
    expect(problems("  source: {package: {name: -o}}\n")).toEqual(["cannot fetch `-o`: it is no name of a package"]);
    expect(problems(`${DIRECTORY}  patches: [patches/1.patch]\n`)).toEqual(["cannot patch a source that is only read"]);
    expect(problems("  source: {tarball: {path: l.tar}}\n")).toEqual([
      "cannot use the tarball: nothing says that it is the right one",
    ]);
  });
});
