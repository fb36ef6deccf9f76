import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FileTree, fixtures, makeSite, project, type Ran, type Site, sha256Of } from "../kit.ts";
import { document, leftovers, processesOf, tarball } from "../root/small-site.ts";
import { runAllowed } from "../root/toy-kernel.ts";

const kernels = join(project, "test/vm/kernels");
const source = { directory: join(fixtures, "linux-source") };

interface Target {
  readonly name: string;
  readonly spec: object;
  readonly compiler: readonly string[];
}
const X86_64: Target = { name: "x86_64", spec: { cpu: "x86_64" }, compiler: ["gcc"] };
const I686: Target = { name: "i686", spec: { cpu: "i686" }, compiler: ["gcc", "-m32"] };
const ARM64: Target = {
  name: "arm64",
  spec: { cpu: "aarch64", triplet: "aarch64-linux-gnu" },
  compiler: ["aarch64-linux-gnu-gcc"],
};

let site: Site;
beforeEach(() => {
  site = makeSite({ "desired/host.yaml": document("Host", "host", { budget: { jobs: 2 } }) });
  mkdirSync(site.cache, { mode: 0o700 });
  symlinkSync(join(fixtures, "ccache"), join(site.cache, "ccache"));
});
afterEach(async () => {
  const left = processesOf(site);
  await site.remove();
  expect(left).toEqual([]);
});

/** A root with one program in it, made for the target, which prints /message and switches the machine off. */
function makeRoot({ name, compiler: [file = "", ...words] }: Target): {
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

const message = (text: string): FileTree => ({ "desired/overlays/common/message": `GUEST ${text} DONE\n` });
const configOf = ({ name }: Target): string => readFileSync(join(kernels, `${name}.kconfig`), "utf8");
const filesOf = (target: Target, spec: object): FileTree => ({
  "desired/roots/r.yaml": document("Root", "r", { source: { tarball: makeRoot(target) } }),
  "desired/images/a.yaml": document("Image", "a", { root: "r" }),
  ...message("FIRST"),
  "desired/targets/t.yaml": document("ArchTarget", "t", target.spec),
  "desired/kernels/tiny.kconfig": configOf(target),
  "desired/kernels/tiny.yaml": document("KernelConfig", "tiny", {
    ...{ config: "tiny.kconfig", target: "t", source, initramfs: "a", require: { PRINTK: true } },
    ...{ check: { boot: { expect: " DONE", timeout: "5m" } }, ...spec },
  }),
});

/** An image beside the kernel, with modules of it that its init loads. */
const modular: FileTree = {
  "desired/roots/busybox.yaml": document("Root", "busybox", {
    source: { tarball: { path: tarball, sha256: sha256Of(tarball) } },
  }),
  "desired/images/b.yaml": document("Image", "b", {
    ...{ root: "busybox", common: false, overlays: ["hardware/modular"], kernelImage: { kernel: "tiny" } },
    modules: { kernel: "tiny", only: ["test_static_keys", "test_module"] },
    check: { boot: { expect: " DONE", timeout: "5m" } },
  }),
  "desired/overlays/hardware/modular/init": {
    text: [
      "#!/bin/busybox sh",
      "/bin/busybox mkdir -p /proc",
      "/bin/busybox mount -t proc proc /proc",
      "for each in test_static_keys test_module; do /bin/busybox modprobe $each; done",
      "echo LOADED $(/bin/busybox cut -d ' ' -f 1 /proc/modules) DONE",
      "/bin/busybox poweroff -f\n",
    ].join("\n"),
    executable: true,
  },
};

const applied = (): Ran => {
  const ran = runAllowed(site, "apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran;
};
const place = (...names: readonly string[]): string => join(site.state, "kernels/tiny", ...names);
const bootLog = (): string => readFileSync(place("current/boot.log"), "latin1");

/** Seconds that something takes, shown with the test's result. */
function timed<T>(what: string, body: () => T): T {
  const begun_ms = performance.now();
  const result = body();
  console.log(`${what}: ${((performance.now() - begun_ms) / 1000).toFixed(1)} s`);
  return result;
}

describe("a kernel with its image in it, built from Linux's own source", () => {
  it("boots on x86_64, and so does an image with modules of it; is linked and booted again when one overlay file changed, and has the same bytes when it changed back; without the image's codec it is refused with the symbol", () => {
    site.commit({ ...filesOf(X86_64, { modules: { strip: true } }), ...modular });
    const first = timed("x86_64, with the compiler's cache", applied);
    expect(first.stdout).toMatch(/boot check passed: printed " DONE" after [\d.]+ s/);
    expect(bootLog()).toContain("GUEST FIRST");
    const modulesLog = readFileSync(join(site.state, "artifacts/b/current/boot.log"), "latin1");
    expect(modulesLog).toContain("Hello, world");
    expect(modulesLog).toContain("LOADED test_module test_static_keys test_static_key_base");
    const [kernel, sha256] = [place("current/kernel"), sha256Of(place("current/kernel"))];
    site.commit(message("SECOND"));
    timed("x86_64, from the commit of one overlay file to the booted kernel", applied);
    expect(bootLog()).toContain("GUEST SECOND");
    site.commit(message("FIRST"));
    expect(applied().stdout).toContain("found built as generation");
    expect(sha256Of(kernel)).toBe(sha256);
    site.commit({ "desired/kernels/tiny.kconfig": `${configOf(X86_64)}# CONFIG_RD_GZIP is not set\n` });
    const refused = runAllowed(site, "apply");
    expect(refused.exitCode).toBe(1);
    expect(refused.stdout).toContain("CONFIG_RD_GZIP: y is wanted, it is not set");
    expect(sha256Of(kernel)).toBe(sha256);
    expect(leftovers(site)).toEqual([]);
  });

  it("boots on i686, too", () => {
    site.commit(filesOf(I686, {}));
    expect(timed("i686, with the compiler's cache", applied).stdout).toMatch(
      /boot check passed: printed " DONE" after/,
    );
    expect(bootLog()).toContain("GUEST FIRST");
    expect(runAllowed(site, "drift").exitCode).toBe(0);
  });

  it("becomes current on arm64 only when it boots: one that does not is quarantined and not booted again, until an input changes or a person asks", () => {
    site.commit({ ...filesOf(ARM64, { check: { boot: { expect: "WELL DONE", timeout: "5m" } } }), ...message("ILL") });
    const broken = timed("arm64, with the compiler's cache", () => runAllowed(site, "apply"));
    expect(broken.exitCode, broken.stdout).toBe(1);
    expect(broken.stdout).toContain('in its boot check it ended without printing "WELL DONE"');
    const [ill = ""] = readdirSync(place()).filter((name) => /^[0-9a-f]{16}$/.test(name));
    expect(readFileSync(place(ill, "boot.log"), "latin1")).toContain("GUEST ILL");
    expect(runAllowed(site, "plan").stdout).toContain(`generation ${ill} is quarantined`);
    expect(runAllowed(site, "status").exitCode).toBe(4);
    expect(runAllowed(site, "trigger", "kernel/tiny").stdout).toContain(`generation ${ill} is tried once more`);
    site.commit(message("WELL"));
    timed("arm64, from the commit of one overlay file to the booted kernel", applied);
    const well = readlinkSync(place("current"));
    expect(well).not.toBe(ill);
    expect(bootLog()).toContain("GUEST WELL");
    expect(runAllowed(site, "status").exitCode).toBe(0);
    site.commit(message("ILL"));
    expect(runAllowed(site, "apply").stdout).toContain("in its boot check it ended without printing");
    expect(readlinkSync(place("current"))).toBe(well);
  });
});
