import { describe, expect, it } from "vitest";
import type { ArtifactResource } from "../../src/core/resource.ts";
import { type Files, head, problemsOf, resourcesOf } from "./written.ts";

const hash = "0".repeat(64);
const FILES: Files = {
  "volumes/a.yaml": `${head("Volume", "a")}  backend: directory\n  path: /srv/a\n`,
  "roots/a.yaml": `${head("Root", "a")}  volume: a\n  source: {mmdebstrap: {suite: s}}\n`,
  "roots/k.yaml": `${head("Root", "k")}  volume: a\n  path: k\n  source: {mmdebstrap: {suite: s}}\n`,
  "roots/t.yaml": `${head("Root", "t")}  source: {tarball: {path: /t.tar, sha256: "${hash}"}}\n`,
};
const files = (spec: string): Files => ({ ...FILES, "images/i.yaml": `${head("Image", "i")}  root: a\n${spec}` });
const image = (spec: string): ArtifactResource => resourcesOf(files(spec)).get("artifact/i") as ArtifactResource;

describe("how an image boots", () => {
  it("is left out where nothing is declared", () => {
    const { kernel, symbols, boot, bootCheck, dependsOn, generationAge_s, pinned } = image("");
    expect({ kernel, symbols, boot, bootCheck, generationAge_s, pinned }).toEqual({});
    expect(dependsOn).toEqual(["tree/a"]);
  });

  it("takes a kernel of the host by its path alone, and waits for no other root", () => {
    const { kernel, dependsOn } = image("  kernelImage: {path: /srv/vmlinuz}\n");
    expect(kernel).toEqual({ type: "file", path: "/srv/vmlinuz" });
    expect(dependsOn).toEqual(["tree/a"]);
  });

  it("takes the kernel of a root, and waits for that root", () => {
    const { kernel, dependsOn } = image("  kernelImage: {root: k, path: /boot/vmlinuz-6}\n");
    expect(kernel).toEqual({ type: "tree", tree: "tree/k", top: "/srv/a/k", path: "boot/vmlinuz-6" });
    expect(dependsOn).toEqual(["tree/a", "tree/k"]);
    expect(image("  kernelImage: {root: a}\n")).toMatchObject({ kernel: { path: "" }, dependsOn: ["tree/a"] });
  });

  it("asks of a kernel that is there what the image needs of any, but not what its header tells", () => {
    const needed = { BINFMT_ELF: "y", BLK_DEV_INITRD: "y", RD_GZIP: "y" };
    expect(image("  kernelImage: {path: /srv/vmlinuz}\n").symbols).toEqual(needed);
    expect(image("  kernelImage: {root: k}\n  boot: {form: uki}\n").symbols).toEqual(needed);
    expect(image("").symbols).toBeUndefined();
  });

  it("takes a kernel that is built where one is started, which Kconfig was asked for all of that", () => {
    const built = `${head("KernelConfig", "own")}  config: own.kconfig\n  source: {directory: /usr/src/linux}\n`;
    const symbols = ["BINFMT_ELF", "BLK_DEV_INITRD", "DEVTMPFS", "EFI", "EFI_STUB", "RD_GZIP"]
      .map((it) => `CONFIG_${it}=y\n`)
      .join("");
    const kernel = { type: "built", kernel: "kernel/own", path: "/state/kernels/own/current/kernel" };
    const having = (spec: string) => ({
      ...files(spec),
      "kernels/own.yaml": built,
      "kernels/own.kconfig": symbols,
    });
    const of = (spec: string) => resourcesOf(having(spec)).get("artifact/i") as ArtifactResource;
    for (const start of ["  boot: {form: uki}\n", "  check: {boot: {expect: OK}}\n"]) {
      expect(of(`  kernel: own\n${start}`)).toMatchObject({ kernel, symbols: undefined });
      expect(of(`  kernelImage: {kernel: own}\n${start}`)).toMatchObject({ kernel, symbols: undefined });
    }
    expect(of("  kernelImage: {kernel: own}\n").kernel).toEqual(kernel);
    expect(of("  kernel: own\n").kernel).toBeUndefined();
    const unbuilt = (spec: string) =>
      problemsOf({ ...having(spec), "kernels/own.yaml": `${head("KernelConfig", "own")}  config: own.kconfig\n` });
    const message = "cannot boot Image i with kernel own: that is not built";
    const hint = "give the KernelConfig a `source`";
    expect(unbuilt("  kernel: own\n  boot: {form: uki}\n")).toEqual([[`desired/images/i.yaml:7:11: ${message}`, hint]]);
    expect(unbuilt("  kernelImage: {kernel: own}\n")).toEqual([[`desired/images/i.yaml:7:25: ${message}`, hint]]);
    expect(unbuilt("  kernel: own\n")).toEqual([]);
  });

  it("takes no kernel from a root without a volume, and says where and why", () => {
    expect(problemsOf(files("  kernelImage: {root: t}\n"))).toEqual([
      [
        "desired/images/i.yaml:7:23: cannot take the kernel of Image i from Root t: it has no volume",
        "give the root a volume, or name a kernel of the host by its path alone",
      ],
    ]);
  });

  const kernel = "  kernelImage: {path: /k}\n";

  it("comes with systemd's stub for the architecture of its kernel, unless another is named", () => {
    expect(image(`${kernel}  boot: {form: uki}\n`).boot).toEqual({
      ...{ form: "uki", cmdline: "", stub: "" },
    });
    expect(image(`${kernel}  boot: {form: uki, cmdline: quiet, stub: /s}\n`).boot).toEqual({
      ...{ form: "uki", cmdline: "quiet", stub: "/s" },
    });
  });

  it("is signed with files of the host, and takes microcode of the host, of its root and of the commit", () => {
    const form = "form: entry, sign: {key: /etc/k, certificate: /etc/c}";
    const microcode = "[/lib/firmware/intel-ucode, root:lib/firmware/amd-ucode, ucode/a.bin]";
    const written = files(`${kernel}  boot: {${form}, microcode: ${microcode}}\n`);
    const resource = resourcesOf({ ...written, "ucode/a.bin": "x" }).get("artifact/i") as ArtifactResource;
    expect(resource.boot).toMatchObject({
      sign: { key: "/etc/k", certificate: "/etc/c" },
      microcode: [
        { type: "host", path: "/lib/firmware/intel-ucode" },
        { type: "tree", tree: "tree/a", top: "/srv/a/root", path: "lib/firmware/amd-ucode" },
        { type: "desired", file: { path: "ucode/a.bin" } },
      ],
    });
    const odd = resourcesOf(files(`${kernel}  boot: {form: uki, microcode: [/lib//f/./a, root:/lib/../f]}\n`));
    expect((odd.get("artifact/i") as ArtifactResource).boot?.microcode).toEqual([
      { type: "host", path: "/lib/f/a" },
      { type: "tree", tree: "tree/a", top: "/srv/a/root", path: "f" },
    ]);
    expect(image(`${kernel}  boot: {form: uki}\n`).boot?.microcode).toBeUndefined();
  });

  it("takes no microcode from where there is none, and says where and why", () => {
    const uki = (microcode: string) => `${kernel}  boot: {form: uki, microcode: ${microcode}}\n`;
    expect(problemsOf(files(uki("nowhere.bin")))).toEqual([
      [
        "desired/images/i.yaml:8:32: cannot read the microcode `nowhere.bin`: it is not in the folder of the documents",
        "commit it there, or write an absolute path, or root:PATH for one in the root",
      ],
    ]);
    const linked = { ...files(uki("ucode/a.bin")), "ucode/a.bin": { link: "/etc/shadow" } };
    expect(problemsOf(linked).map(([message]) => message)).toEqual([
      "desired/images/i.yaml:8:32: cannot read the microcode `ucode/a.bin`: it is not in the folder of the documents",
    ]);
    const packed = { "images/i.yaml": `${head("Image", "i")}  root: t\n${uki('"root:lib/ucode"')}` };
    expect(problemsOf({ ...FILES, ...packed })).toEqual([
      [
        "desired/images/i.yaml:8:32: cannot take microcode from Root t: it has no volume",
        "give the root a volume, or name a file of the host",
      ],
    ]);
  });

  it("refuses keys that lie in the folder of the documents", () => {
    const inGit = "/srv/config/desired/keys/db.key";
    const form = `{form: entry, sign: {key: ${inGit}, certificate: /etc/c}}`;
    const publish = `{directory: /srv/www, sign: {gpg: ${inGit}}}`;
    expect(problemsOf(files(`${kernel}  boot: ${form}\n  publish: ${publish}\n`))).toHaveLength(2);
    expect(problemsOf(files(`${kernel}  boot: ${form}\n`)).map(([message]) => message)).toEqual([
      `desired/images/i.yaml:8:35: cannot use the key \`${inGit}\`: it lies in the folder of the documents`,
    ]);
  });

  it("is checked for five minutes, with the memory that the image needs, unless it says otherwise", () => {
    expect(image(`${kernel}  check: {boot: {expect: OK}}\n`).bootCheck).toEqual({
      ...{ expect: "OK", timeout_s: 300, memory_bytes: undefined, machine: undefined, cmdline: "" },
    });
    const boot = "{expect: OK, timeout: 90s, memory: 2GiB, machine: q35, firmware: /f}";
    expect(image(`${kernel}  boot: {form: uki}\n  check: {boot: ${boot}}\n`).bootCheck).toEqual({
      ...{ expect: "OK", timeout_s: 90, memory_bytes: 2 * 1024 ** 3, machine: "q35", cmdline: "", firmware: "/f" },
    });
  });

  it("keeps generations by number, age and name", () => {
    expect(image('  retention: {generations: 2, age: 30d, keep: ["00c0ffee00c0ffee"]}\n')).toMatchObject({
      ...{ generations: 2, generationAge_s: 2_592_000, pinned: ["00c0ffee00c0ffee"] },
    });
  });
});
