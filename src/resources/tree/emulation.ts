import { RootloomError } from "../../core/error.ts";
import type { BootstrapSource } from "../../core/resource.ts";
import type { ApplyContext } from "../types.ts";

/** Debian's name of an architecture -> qemu's; only those that qemu-user of Debian runs. */
const QEMU: Readonly<Record<string, string>> = {
  amd64: "x86_64",
  arm64: "aarch64",
  armel: "arm",
  armhf: "arm",
  i386: "i386",
  mips64el: "mips64el",
  mipsel: "mipsel",
  ppc64el: "ppc64le",
  riscv64: "riscv64",
  s390x: "s390x",
};

/** What each kind of processor runs by itself. */
const NATIVE: Readonly<Record<string, readonly string[]>> = {
  amd64: ["amd64", "i386", "x32"],
  arm64: ["arm64"],
};

/** Variants that run no program of the new root. */
const RUNS_NOTHING: readonly string[] = ["extract"];

const REGISTRY = "/proc/sys/fs/binfmt_misc";

/**
 * Sees to it that programs of a foreign architecture run here, before a bootstrapper fails halfway: qemu-user must be
 * registered with the kernel (binfmt_misc). Where the host's limits allow it (`emulation: true`) it is registered now.
 * @throws RootloomError (waiting) that names package and command.
 */
export async function prepareEmulation(name: string, source: BootstrapSource, context: ApplyContext): Promise<void> {
  const { architecture, variant } = source;
  if (architecture === undefined || RUNS_NOTHING.includes(variant)) return;
  const own = await ownArchitecture(context);
  if ((NATIVE[own] ?? [own]).includes(architecture)) return;
  const missing = (why: string, hint: string) =>
    new RootloomError(`cannot fill tree ${name}: this ${own} host cannot run programs of ${architecture}: ${why}`, {
      hint,
      retry: "waiting",
      condition: "EmulationMissing",
    });
  if (source.type === "mmdebstrap" && context.host.processes.find("arch-test") === undefined)
    throw missing("mmdebstrap asks arch-test, which is not installed", "apt-get install arch-test");
  const qemu = QEMU[architecture];
  if (qemu === undefined) throw missing("qemu-user has no emulator for it", "correct `architecture`");
  if (await isRegistered(qemu, context)) return;
  const { files, processes } = context.host;
  const configuration = `/usr/lib/binfmt.d/qemu-${qemu}.conf`;
  if (processes.find(`qemu-${qemu}-static`) === undefined || files.stat(configuration) === undefined)
    throw missing("qemu-user is not installed", "apt-get install qemu-user-static; then: rootloom apply");
  const command = `mount -t binfmt_misc none ${REGISTRY}; cat ${configuration} > ${REGISTRY}/register`;
  if (!context.limits.emulation) {
    const file = context.limits.file === "" ? "/etc/rootloom/limits.yaml" : context.limits.file;
    throw missing(
      `qemu-${qemu} is not registered with the kernel`,
      `${command}; or allow it to be done here: \`emulation: true\` in ${file}`,
    );
  }
  context.progress(`registering qemu-${qemu} for programs of ${architecture}`);
  await inRegistry(`cat -- "$1" > ${REGISTRY}/register`, configuration, context);
  if (!(await isRegistered(qemu, context))) throw missing(`qemu-${qemu} could not be registered`, command);
}

async function ownArchitecture(context: ApplyContext): Promise<string> {
  const { stdout } = await context.host.processes.run({ file: "uname", arguments: ["-m"] });
  const machine = stdout.trim();
  return Object.entries(QEMU).find(([, qemu]) => qemu === machine)?.[0] ?? machine;
}

async function isRegistered(qemu: string, context: ApplyContext): Promise<boolean> {
  const { stdout } = await inRegistry(`cat -- ${REGISTRY}/"$1" 2>/dev/null || true`, `qemu-${qemu}`, context);
  return stdout.startsWith("enabled");
}

/** Runs a line where the kernel's registry is mounted; where the host has not mounted it, that ends with the line. */
function inRegistry(line: string, argument: string, context: ApplyContext) {
  const mounted = `[ -e ${REGISTRY}/register ] || mount -t binfmt_misc none ${REGISTRY}`;
  return context.host.processes.run({
    file: "sh",
    arguments: ["-c", `{ ${mounted}; } 2>/dev/null; ${line}`, "sh", argument],
    privateNamespace: true,
    signal: context.signal,
  });
}
