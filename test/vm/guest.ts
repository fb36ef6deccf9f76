import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { loadavg } from "node:os";

/** Seconds that something takes, shown with the test's result, and how busy the machine was: an apply ends when the guest has printed its marker. */
export function timed<T>(what: string, body: () => T): T {
  const begun_ms = performance.now();
  const result = body();
  const [load = 0] = loadavg();
  console.log(`${what}: ${((performance.now() - begun_ms) / 1000).toFixed(1)} s (load ${load.toFixed(1)})`);
  return result;
}

export interface Guest {
  /** A kernel, or what `firmware` starts: an EFI program. */
  readonly kernel: string;
  /** undefined: the kernel has it in it. */
  readonly initrd?: string;
  /** OVMF's code, with a copy of its variables that may be written. */
  readonly firmware?: { readonly code: string; readonly variables: string };
  /** Added to the kernel's command line. */
  readonly append?: string;
  readonly memory_mib?: number;
  readonly timeout_ms?: number;
}

/** Everything the guest printed, and how it ended: `off` when it powered off by itself. */
export interface Booted {
  readonly output: string;
  readonly end: "off" | "timeout";
  readonly accelerator: "kvm" | "tcg";
}

/**
 * Boots a kernel with an initramfs in QEMU and waits until it powers off. KVM is used only after a probe
 * has booted the same kernel under it: on some hosts /dev/kvm is there and guests hang.
 */
export async function boot(guest: Guest): Promise<Booted> {
  const accelerator = (await kvmWorks(guest.kernel)) ? "kvm" : "tcg";
  return { ...(await run(guest, accelerator)), accelerator };
}

let probed: Promise<boolean> | undefined;

/** A kernel without a root panics within a second: any kernel message is proof enough that guests run. */
function kvmWorks(kernel: string): Promise<boolean> {
  probed ??= existsSync("/dev/kvm")
    ? run({ kernel, append: "panic=-1", timeout_ms: 8_000 }, "kvm").then(
        ({ output }) => output.includes("Linux version"),
        () => false,
      )
    : Promise.resolve(false);
  return probed;
}

function run(guest: Guest, accelerator: "kvm" | "tcg"): Promise<Omit<Booted, "accelerator">> {
  const { kernel, initrd, firmware } = guest;
  // On a busy machine a guest's timer can come too late for the kernel's check of it, which then panics.
  const append = `console=ttyS0 panic=-1 no_timer_check ${initrd === undefined ? "" : "quiet "}${guest.append ?? ""}`;
  const arguments_ = [
    ...["-accel", accelerator === "kvm" ? "kvm" : "tcg,thread=multi"],
    ...["-cpu", "max", "-m", String(guest.memory_mib ?? 1024), "-smp", "1"],
    ...["-nographic", "-nodefaults", "-serial", "stdio", "-no-reboot"],
    ...(firmware === undefined
      ? ["-append", append]
      : [
          ...["-machine", "q35", "-drive", `if=pflash,format=raw,readonly=on,file=${firmware.code}`],
          ...["-drive", `if=pflash,format=raw,file=${firmware.variables}`],
        ]),
    ...["-kernel", kernel],
    ...(initrd === undefined ? [] : ["-initrd", initrd]),
  ];
  return new Promise((resolve, reject) => {
    const child = spawn("qemu-system-x86_64", arguments_, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let end: Booted["end"] = "off";
    const timer = setTimeout(() => {
      end = "timeout";
      child.kill("SIGKILL");
    }, guest.timeout_ms ?? 120_000);
    const keep = (chunk: Buffer): void => {
      output += chunk.toString("latin1");
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", reject);
    child.on("close", () => {
      clearTimeout(timer);
      resolve({ output, end });
    });
  });
}
