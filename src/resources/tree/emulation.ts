import { RootloomError } from "../../core/error.ts";
import type { BootstrapSource } from "../../core/resource.ts";
import type { Command } from "../../host/ports.ts";
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
 * Looks, before a bootstrapper fails halfway, whether programs of the root's architecture run here: a foreign one needs
 * qemu-user in the kernel's registry (binfmt_misc).
 * @returns the registration that is still to be made for the bootstrapper's own time (`emulated`), which the host's
 * limits allow (`emulation: true`); undefined where nothing is to be done.
 * @throws RootloomError (waiting) that names package and command.
 */
export async function findEmulation(
  name: string,
  source: BootstrapSource,
  context: ApplyContext,
): Promise<string | undefined> {
  const { architecture, variant } = source;
  if (architecture === undefined || RUNS_NOTHING.includes(variant)) return undefined;
  const own = await ownArchitecture(context);
  if (!needsEmulation(source, own)) return undefined;
  const missing = (why: string, hint: string) =>
    new RootloomError(`cannot fill tree ${name}: this ${own} host cannot run programs of ${architecture}: ${why}`, {
      hint,
      retry: "waiting",
      condition: "EmulationMissing",
    });
  const { files, processes } = context.host;
  if (source.type === "mmdebstrap" && processes.find("arch-test") === undefined)
    throw missing("mmdebstrap asks arch-test, which is not installed", "apt-get install arch-test");
  const qemu = QEMU[architecture];
  if (qemu === undefined) throw missing("qemu-user has no emulator for it", "correct `architecture`");
  if (files.readText(`${REGISTRY}/qemu-${qemu}`)?.startsWith("enabled") === true) return undefined;
  const registration = `/usr/lib/binfmt.d/qemu-${qemu}.conf`;
  if (processes.find(`qemu-${qemu}-static`) === undefined || files.stat(registration) === undefined)
    throw missing("qemu-user is not installed", "apt-get install qemu-user-static; then: rootloom apply");
  if (context.limits.emulation) return registration;
  const command = `mount -t binfmt_misc none ${REGISTRY}; cat ${registration} > ${REGISTRY}/register`;
  const file = context.limits.file === "" ? "/etc/rootloom/limits.yaml" : context.limits.file;
  throw missing(
    `qemu-${qemu} is not registered with the kernel`,
    `${command}; or allow it for the time of a bootstrap: \`emulation: true\` in ${file}`,
  );
}

/** Whether programs of a root's architecture run while it is made that a processor cannot run. `own`: Debian's name of that. */
export function needsEmulation(
  { architecture, variant }: Pick<BootstrapSource, "architecture" | "variant">,
  own: string,
): boolean {
  if (architecture === undefined || RUNS_NOTHING.includes(variant)) return false;
  return !(NATIVE[own] ?? [own]).includes(architecture);
}

/** A registration lasts as long as its registry is mounted (before Linux 6.7 until the next start): both end with the command. */
const SCRIPT = `
[ -e ${REGISTRY}/register ] || mount -t binfmt_misc none ${REGISTRY} || exit 1
[ -e ${REGISTRY}/"$(basename "$1" .conf)" ] || cat -- "$1" >${REGISTRY}/register || exit 1
shift
exec "$@"
`;

/** The command, in a mount namespace of its own in which programs of the foreign architecture run. */
export function emulated(registration: string | undefined, command: Command): Command {
  if (registration === undefined) return command;
  const words = ["-c", SCRIPT, "sh", registration, command.file, ...command.arguments];
  return { ...command, file: "sh", arguments: words, privateNamespace: true };
}

async function ownArchitecture(context: ApplyContext): Promise<string> {
  const { stdout } = await context.host.processes.run({ file: "uname", arguments: ["-m"] });
  const machine = stdout.trim();
  return Object.entries(QEMU).find(([, qemu]) => qemu === machine)?.[0] ?? machine;
}
