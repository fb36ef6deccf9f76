import type { KernelArchitecture } from "../core/resource.ts";

/** A virtual machine as data. */
export interface Machine {
  readonly architecture: KernelArchitecture;
  readonly accelerator: Accelerator;
  readonly memory_bytes: number;
  /** QEMU's name of a machine; undefined: its own choice. */
  readonly machine: string | undefined;
  readonly start: KernelStart | FirmwareStart;
}

/** QEMU starts the kernel itself. */
export interface KernelStart {
  readonly type: "kernel";
  /** Host paths; without an initramfs, the kernel starts the one that is in it. */
  readonly kernel: string;
  readonly initramfs: string | undefined;
  /** Added to what every guest gets: its console on the serial line, and an end instead of a hang. */
  readonly cmdline: string;
}

/** Firmware is handed an EFI program, which it loads and starts as it would one from a disk. */
export interface FirmwareStart {
  readonly type: "firmware";
  readonly code: string;
  /** A copy of its variables, which it may write. */
  readonly variables: string;
  readonly program: string;
}

export type Accelerator = "kvm" | "tcg";

/** What boots the kernels of an architecture: QEMU's program, its Debian package, the machine, and how Linux calls its serial line. */
interface GuestFacts {
  readonly program: string;
  readonly package: string;
  /** undefined: QEMU's own choice. */
  readonly machine: string | undefined;
  readonly console: string;
}

const X86: GuestFacts = {
  program: "qemu-system-x86_64",
  package: "qemu-system-x86",
  machine: undefined,
  console: "ttyS0",
};

/** A machine for 64 bits runs the kernels for 32. */
export const GUESTS: Readonly<Record<KernelArchitecture, GuestFacts>> = {
  x86_64: X86,
  i386: X86,
  arm64: { program: "qemu-system-aarch64", package: "qemu-system-arm", machine: "virt", console: "ttyAMA0" },
};

/**
 * Arguments of QEMU: one serial line on standard output and no other device, no network, no monitor, no reboot; what it
 * need not do for that, its sandbox forbids.
 */
export function machineArguments(guest: Machine): readonly string[] {
  const { accelerator, memory_bytes, start } = guest;
  const facts = GUESTS[guest.architecture];
  const machine = guest.machine ?? (start.type === "firmware" ? "q35" : facts.machine);
  const isGuarded = start.type === "firmware" && keepsSecureBoot(start.code);
  const isFast = accelerator === "kvm";
  return [
    ...(machine === undefined ? [] : ["-machine", `${machine}${isGuarded ? ",smm=on" : ""}`]),
    ...["-accel", isFast ? "kvm" : "tcg,thread=multi", "-cpu", isFast ? "host" : "max"],
    ...["-m", `${Math.ceil(memory_bytes / 1024 ** 2)}M`, "-smp", "1"],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...(start.type === "kernel" ? kernelArguments(start, facts) : firmwareArguments(start)),
  ];
}

function kernelArguments({ kernel, initramfs, cmdline }: KernelStart, { console }: GuestFacts): readonly string[] {
  const initrd = initramfs === undefined ? [] : ["-initrd", initramfs];
  const line = `console=${console} panic=-1`;
  return ["-kernel", kernel, ...initrd, "-append", cmdline === "" ? line : `${line} ${cmdline}`];
}

function firmwareArguments({ code, variables, program }: FirmwareStart): readonly string[] {
  // A comma ends a value of QEMU's, two of them are one.
  const value = (path: string) => path.replaceAll(",", ",,");
  const guarded = keepsSecureBoot(code) ? ["-global", "driver=cfi.pflash01,property=secure,value=on"] : [];
  return [
    ...guarded,
    ...["-drive", `if=pflash,format=raw,readonly=on,file=${value(code)}`],
    ...["-drive", `if=pflash,format=raw,file=${value(variables)}`],
    ...["-kernel", program],
  ];
}

/** Firmware that enforces Secure Boot keeps its variables behind the processor's management mode, and does not start without. */
function keepsSecureBoot(code: string): boolean {
  return /(secboot|snakeoil|secure|\.ms)[^/]*$/i.test(code);
}

const MIB = 1024 ** 2;

/**
 * Memory of a guest that unpacks an archive: the root it unpacks to is a tmpfs of half the memory, and the archive itself
 * lies in memory meanwhile.
 */
export function memoryFor(image_bytes: number, uncompressed_bytes: number): number {
  const needed_bytes = 2 * uncompressed_bytes + image_bytes + 128 * MIB;
  return Math.max(512 * MIB, Math.ceil(needed_bytes / (64 * MIB)) * 64 * MIB);
}
