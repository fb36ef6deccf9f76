import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type FileTree, fixtures, makeSite, project, type Site, sha256Of } from "../kit.ts";
import { document, small } from "../root/small-site.ts";
import { runAllowed } from "../root/toy-kernel.ts";

const source = join(fixtures, "linux-source");

/** Starts a kernel that has its initramfs in it; what it prints until it ends itself. */
function start(kernel: string): Promise<string> {
  const device = ["-cpu", "max", "-m", "256", "-nographic", "-nodefaults", "-serial", "stdio", "-no-reboot"];
  const append = "console=ttyS0 panic=-1 reboot=t quiet";
  const words = ["-accel", "tcg", ...device, "-kernel", kernel, "-append", append];
  return new Promise((resolve, reject) => {
    const child = spawn("qemu-system-x86_64", words, { stdio: ["ignore", "pipe", "inherit"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), 120_000);
    let output = "";
    child.stdout.on("data", (part: Buffer) => {
      output += part.toString("latin1");
    });
    child.on("error", reject);
    child.on("close", () => {
      clearTimeout(timer);
      resolve(output);
    });
  });
}

const config = readFileSync(join(project, "test/vm/kernels/x86_64.kconfig"), "utf8");

let site: Site;
afterEach(() => site.remove());

const says = (text: string, shell = "/bin/busybox") => ({
  text: `#!${shell} sh\n${shell} mount -t devtmpfs dev /dev\necho ${text} > /dev/console\n${shell} reboot -f\n`,
  executable: true,
});
const files = (): FileTree => ({
  "desired/roots/small.yaml": small["desired/roots/small.yaml"],
  "desired/volumes/small.yaml": small["desired/volumes/small.yaml"],
  "desired/images/a.yaml": document("Image", "a", { root: "small" }),
  "desired/overlays/common/init": says("THE-FIRST"),
  "desired/targets/one.yaml": document("ArchTarget", "one", { cpu: "x86_64" }),
  "desired/kernels/tiny.yaml": document("KernelConfig", "tiny", {
    config: "tiny.kconfig",
    target: "one",
    source: { directory: source },
    initramfs: "a",
    require: { PRINTK: true },
  }),
  "desired/kernels/tiny.kconfig": config,
});

describe("a kernel with its image in it", () => {
  it("is built from Linux's own source, boots the image, and is linked again when the image changed; without the image's codec it is refused", async () => {
    site = makeSite(files());
    mkdirSync(site.cache, { mode: 0o700 });
    symlinkSync(join(fixtures, "ccache"), join(site.cache, "ccache"));
    const kernel = join(site.state, "kernels/tiny/current/kernel");
    const applied = (): void => {
      const ran = runAllowed(site, "apply");
      expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    };
    applied();
    expect(await start(kernel)).toContain("THE-FIRST");
    const first = sha256Of(kernel);
    site.commit({ "desired/overlays/common/init": says("THE-SECOND") });
    applied();
    expect(await start(kernel)).toContain("THE-SECOND");
    site.commit(files());
    applied();
    expect(sha256Of(kernel)).toBe(first);
    site.commit({ "desired/kernels/tiny.kconfig": `${config}# CONFIG_RD_GZIP is not set\n` });
    const ran = runAllowed(site, "apply");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toContain("CONFIG_RD_GZIP: y is wanted, it is not set");
    expect(sha256Of(kernel)).toBe(first);
  });
});
