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
    const { kernel, boot, bootCheck, dependsOn, generationAge_s, pinned } = image("");
    expect({ kernel, boot, bootCheck, generationAge_s, pinned }).toEqual({});
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
    expect(problemsOf(files(`${kernel}  boot: {form: uki, microcode: nowhere.bin}\n`)).join()).toContain(
      "cannot read the microcode `nowhere.bin`: it is not in the folder of the documents",
    );
  });

  it("refuses keys that lie in the folder of the documents", () => {
    const inGit = "/srv/config/desired/keys/db.key";
    const form = `{form: entry, sign: {key: ${inGit}, certificate: /etc/c}}`;
    const publish = `{directory: /srv/www, sign: {gpg: ${inGit}}}`;
    expect(problemsOf(files(`${kernel}  boot: ${form}\n  publish: ${publish}\n`))).toHaveLength(2);
    expect(problemsOf(files(`${kernel}  boot: ${form}\n`)).join()).toContain(
      `cannot use the key \`${inGit}\`: it lies in the folder of the documents`,
    );
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
