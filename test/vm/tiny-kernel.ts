import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type FileTree, fixtures, project, type Site, sha256Of } from "../kit.ts";
import { document } from "../root/small-site.ts";

/** The smallest kernels that boot, with an image of one program in them, built from Linux's own source. */
const kernels = join(project, "test/vm/kernels");
const source = { directory: join(fixtures, "linux-source") };

export interface Target {
  readonly name: string;
  readonly spec: object;
  readonly compiler: readonly string[];
}
export const X86_64: Target = { name: "x86_64", spec: { cpu: "x86_64" }, compiler: ["gcc"] };
export const I686: Target = { name: "i686", spec: { cpu: "i686" }, compiler: ["gcc", "-m32"] };
export const ARM64: Target = {
  name: "arm64",
  spec: { cpu: "aarch64", triplet: "aarch64-linux-gnu" },
  compiler: ["aarch64-linux-gnu-gcc"],
};

/** A root with one program in it, made for the target, which prints /message and switches the machine off. */
function makeRoot(
  site: Site,
  { name, compiler: [file = "", ...words] }: Target,
): {
  readonly path: string;
  readonly sha256: string;
} {
  const alone = ["-mgeneral-regs-only", "-ffreestanding", "-fno-pie", "-fno-stack-protector", "-static", "-nostdlib"];
  const folder = join(site.directory, `root-${name}`);
  mkdirSync(folder);
  execFileSync(file, [...words, "-O2", ...alone, "-o", join(folder, "init"), join(kernels, "init.c")]);
  const path = join(site.directory, `root-${name}.tar`);
  execFileSync("tar", ["-cf", path, "--sort=name", "--mtime=@0", "-C", folder, "init"]);
  return { path, sha256: sha256Of(path) };
}

export const message = (text: string): FileTree => ({ "desired/overlays/common/message": `GUEST ${text} DONE\n` });
export const configOf = ({ name }: Target): string => readFileSync(join(kernels, `${name}.kconfig`), "utf8");
export const filesOf = (site: Site, target: Target, spec: object): FileTree => ({
  "desired/roots/r.yaml": document("Root", "r", { source: { tarball: makeRoot(site, target) } }),
  "desired/images/a.yaml": document("Image", "a", { root: "r" }),
  ...message("FIRST"),
  "desired/targets/t.yaml": document("ArchTarget", "t", target.spec),
  "desired/kernels/tiny.kconfig": configOf(target),
  "desired/kernels/tiny.yaml": document("KernelConfig", "tiny", {
    ...{ config: "tiny.kconfig", target: "t", source, initramfs: "a", require: { PRINTK: true } },
    ...{ check: { boot: { expect: " DONE", timeout: "5m" } }, ...spec },
  }),
});
