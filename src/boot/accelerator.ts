import type { KernelArchitecture } from "../core/resource.ts";
import type { Host } from "../host/ports.ts";
import { bootGuest } from "./guest.ts";
import { type Accelerator, GUESTS } from "./machine.ts";

const PROBE_TIMEOUT_MS = 8_000;
const PROBE_MEMORY_BYTES = 256 * 1024 ** 2;
const DEVICE = "/dev/kvm";
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

interface Asking {
  readonly host: Pick<Host, "processes" | "clock" | "files">;
  readonly cache: string;
  readonly signal: AbortSignal | undefined;
}

/** Several images that ask at the same time wait for one probe. */
const running = new Map<string, Promise<Accelerator>>();

/**
 * KVM where a guest really runs under it: on some hosts the device is there and guests hang. A kernel without a root
 * panics within a second, and its first line is proof enough. The answer is cached for each QEMU until the host boots again.
 */
export async function chooseAccelerator(
  kernel: string,
  architecture: KernelArchitecture,
  asking: Asking,
): Promise<Accelerator> {
  const { files } = asking.host;
  if (files.stat(DEVICE) === undefined) return "tcg";
  const { program } = GUESTS[architecture];
  const path = `${asking.cache}/kvm-${program}`;
  const bootId = (files.readText(BOOT_ID) ?? "").trim();
  const [known, answer] = (files.readText(path) ?? "").split(" ");
  if (known === bootId && (answer === "kvm" || answer === "tcg")) return answer;
  const asked = running.get(program) ?? probeKvm(kernel, architecture, asking).finally(() => running.delete(program));
  running.set(program, asked);
  const found = await asked;
  files.makeDirectories(asking.cache, 0o700);
  const stat = files.stat(asking.cache);
  files.writeFile(path, `${bootId} ${found}`, { owner: stat?.owner ?? 0, group: stat?.group ?? 0, mode: 0o600 });
  return found;
}

async function probeKvm(
  kernel: string,
  architecture: KernelArchitecture,
  { host, signal }: Asking,
): Promise<Accelerator> {
  const start = { type: "kernel", kernel, initramfs: undefined, cmdline: "" } as const;
  const guest = {
    architecture,
    accelerator: "kvm",
    machine: undefined,
    memory_bytes: PROBE_MEMORY_BYTES,
    start,
  } as const;
  try {
    const awaited = { expect: "Linux version", timeout_ms: PROBE_TIMEOUT_MS, signal };
    return (await bootGuest(host, guest, awaited)).end === "seen" ? "kvm" : "tcg";
  } catch {
    signal?.throwIfAborted();
    return "tcg";
  }
}
