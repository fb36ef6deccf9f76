import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FileTree, fixtures, makeSite, type Ran, type Site, sha256Of } from "../kit.ts";
import { document, leftovers, processesOf, tarball } from "../root/small-site.ts";
import { runAllowed } from "../root/toy-kernel.ts";
import { boot, timed } from "./guest.ts";
import { ARM64, configOf, filesOf, I686, message, X86_64 } from "./tiny-kernel.ts";

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

const besideLog = (): string => readFileSync(join(site.state, "artifacts/b/current/boot.log"), "latin1");

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

/** What make compiled in its last run for a kernel. */
function compiled(kernel = "tiny"): readonly string[] {
  const folder = join(site.state, "logs/kernel", kernel);
  const log = readFileSync(join(folder, readdirSync(folder).sort().at(-1) ?? ""), "utf8");
  return [...log.matchAll(/^ {2}CC +(?:\[M\] +)?(.*)$/gm)].map(([, file = ""]) => file);
}

/** Not of what says when and by whom a kernel was linked, or unpacks it. */
const isOfCode = (file: string): boolean => !/version|misc\.o|initramfs/.test(file);

describe("a kernel with its image in it, built from Linux's own source", () => {
  it("boots on x86_64 with modules of its own, and so does an image beside it; is linked and booted again when one overlay file changed; a rollback of the image takes it back; without the image's codec it is refused with the symbol", async () => {
    const takesModules = document("Image", "a", { root: "r", modules: { kernel: "tiny", only: ["test_module"] } });
    site.commit({
      ...{ ...filesOf(site, X86_64, { modules: { strip: true } }), ...modular },
      "desired/images/a.yaml": takesModules,
    });
    const first = timed("x86_64, with the compiler's cache", applied);
    expect(first.stdout).toMatch(/boot check passed: printed " DONE" after [\d.]+ s/);
    expect(bootLog()).toMatch(/Hello, world.*GUEST FIRST/s);
    expect(besideLog()).toContain("Hello, world");
    expect(besideLog()).toContain("LOADED test_module test_static_keys test_static_key_base");
    const [kernel, sha256] = [place("current/kernel"), sha256Of(place("current/kernel"))];
    expect(compiled("tiny@modules").length).toBeGreaterThan(100);
    expect(compiled().filter(isOfCode)).toEqual([]);
    timed("x86_64, from the commit of one overlay file to the booted kernel", () => {
      site.commit(message("SECOND"));
      return applied();
    });
    expect(bootLog()).toContain("GUEST SECOND");
    expect(compiled().filter(isOfCode)).toEqual([]);
    const second = sha256Of(kernel);
    expect(runAllowed(site, "rollback", "image/a").exitCode).toBe(0);
    applied();
    expect(sha256Of(kernel)).toBe(sha256);
    const booted = await boot({ kernel });
    expect([booted.output, booted.end]).toEqual([expect.stringContaining("GUEST FIRST"), "off"]);
    expect(runAllowed(site, "resume", "image/a").exitCode).toBe(0);
    applied();
    expect(sha256Of(kernel)).toBe(second);
    site.commit({ "desired/kernels/tiny.kconfig": `${configOf(X86_64)}# CONFIG_RD_GZIP is not set\n` });
    const refused = runAllowed(site, "apply");
    expect(refused.exitCode).toBe(1);
    expect(refused.stdout).toContain("CONFIG_RD_GZIP: y is wanted, it is not set: the configuration says n");
    expect(sha256Of(kernel)).toBe(second);
    expect(leftovers(site)).toEqual([]);
  });

  it("boots on i686, too", () => {
    site.commit(filesOf(site, I686, {}));
    expect(timed("i686, with the compiler's cache", applied).stdout).toMatch(
      /boot check passed: printed " DONE" after/,
    );
    expect(bootLog()).toContain("GUEST FIRST");
    expect(runAllowed(site, "drift").exitCode).toBe(0);
  });

  it("becomes current on arm64 only when it boots: one that does not is quarantined and not booted again, until an input changes or a person asks", () => {
    site.commit({
      ...filesOf(site, ARM64, { check: { boot: { expect: "WELL DONE", timeout: "5m" } } }),
      ...message("ILL"),
    });
    const broken = timed("arm64, with the compiler's cache", () => runAllowed(site, "apply"));
    expect(broken.exitCode, broken.stdout).toBe(1);
    expect(broken.stdout).toContain('in its boot check it ended without printing "WELL DONE"');
    const [ill = ""] = readdirSync(place()).filter((name) => /^[0-9a-f]{16}$/.test(name));
    expect(readFileSync(place(ill, "boot.log"), "latin1")).toContain("GUEST ILL");
    expect(runAllowed(site, "plan").stdout).toContain(`generation ${ill} is quarantined`);
    expect(runAllowed(site, "status").exitCode).toBe(4);
    expect(runAllowed(site, "trigger", "kernel/tiny").stdout).toContain(`generation ${ill} is tried once more`);
    timed("arm64, from the commit of one overlay file to the booted kernel", () => {
      site.commit(message("WELL"));
      return applied();
    });
    const well = readlinkSync(place("current"));
    expect(well).not.toBe(ill);
    expect(bootLog()).toContain("GUEST WELL");
    expect(runAllowed(site, "status").exitCode).toBe(0);
    site.commit(message("ILL"));
    expect(runAllowed(site, "apply").stdout).toContain("in its boot check it ended without printing");
    expect(readlinkSync(place("current"))).toBe(well);
  });
});
