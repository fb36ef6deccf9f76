import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type FileTree, fixtures, makeSite, project, type Site, sha256Of } from "../kit.ts";
import { document, small } from "../root/small-site.ts";
import { runAllowed } from "../root/toy-kernel.ts";

/** What is built where nobody says otherwise; the others are for a person who has the compilers and ten minutes. */
const ARCHITECTURES = (process.env.ROOTLOOM_KERNELS ?? "x86_64").split(",");

const source = join(fixtures, "linux-source");
const CPUS: Readonly<Record<string, string>> = { x86_64: "x86_64", i386: "i686", arm64: "aarch64" };

/** Starts a kernel that has its initramfs in it; what it prints until it ends itself. */
function start(architecture: string, kernel: string): Promise<string> {
  const [qemu, machine, terminal] =
    architecture === "arm64"
      ? ["qemu-system-aarch64", ["-machine", "virt"], "ttyAMA0"]
      : [architecture === "i386" ? "qemu-system-i386" : "qemu-system-x86_64", [], "ttyS0"];
  const device = ["-cpu", "max", "-m", "256", "-nographic", "-nodefaults", "-serial", "stdio", "-no-reboot"];
  const append = `console=${terminal} panic=-1 reboot=t quiet`;
  const words = ["-accel", "tcg", ...machine, ...device, "-kernel", kernel, "-append", append];
  return new Promise((resolve, reject) => {
    const child = spawn(qemu, words, { stdio: ["ignore", "pipe", "inherit"] });
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

let site: Site;
afterEach(() => site.remove());

const says = (text: string, shell = "/bin/busybox") => ({
  text: `#!${shell} sh\n${shell} mount -t devtmpfs dev /dev\necho ${text} > /dev/console\n${shell} reboot -f\n`,
  executable: true,
});
const files = (architecture: string, spec: object = {}): FileTree => ({
  "desired/roots/small.yaml": small["desired/roots/small.yaml"],
  "desired/volumes/small.yaml": small["desired/volumes/small.yaml"],
  "desired/images/a.yaml": document("Image", "a", { root: "small" }),
  "desired/overlays/common/init": says("THE-FIRST"),
  "desired/targets/one.yaml": document("ArchTarget", "one", { cpu: CPUS[architecture] ?? "" }),
  "desired/kernels/tiny.yaml": document("KernelConfig", "tiny", {
    config: "tiny.kconfig",
    target: "one",
    source: { directory: source },
    initramfs: "a",
    require: { PRINTK: true },
    ...spec,
  }),
  "desired/kernels/tiny.kconfig": readFileSync(join(project, `test/vm/kernels/${architecture}.kconfig`), "utf8"),
});

describe.each(ARCHITECTURES)("a kernel for %s with its image in it", (architecture) => {
  it("is built from Linux's own source, boots the image, and is linked again when the image changed; without the image's codec it is refused", async () => {
    site = makeSite(files(architecture));
    mkdirSync(site.cache, { mode: 0o700 });
    symlinkSync(join(fixtures, "ccache"), join(site.cache, "ccache"));
    const kernel = join(site.state, "kernels/tiny/current/kernel");
    const applied = (): void => {
      const ran = runAllowed(site, "apply");
      expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    };
    applied();
    expect(await start(architecture, kernel)).toContain("THE-FIRST");
    const first = sha256Of(kernel);
    site.commit({ "desired/overlays/common/init": says("THE-SECOND") });
    applied();
    expect(await start(architecture, kernel)).toContain("THE-SECOND");
    site.commit(files(architecture));
    applied();
    expect(sha256Of(kernel)).toBe(first);
    const text = readFileSync(join(project, `test/vm/kernels/${architecture}.kconfig`), "utf8");
    site.commit({ "desired/kernels/tiny.kconfig": `${text}# CONFIG_RD_GZIP is not set\n` });
    const ran = runAllowed(site, "apply");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toContain("CONFIG_RD_GZIP: y is wanted, it is not set");
    expect(sha256Of(kernel)).toBe(first);
  });
});
