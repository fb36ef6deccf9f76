import { posix } from "node:path";
import { memoryFor } from "../../boot/machine.ts";
import type { KernelArchitecture, KernelResource } from "../../core/resource.ts";
import type { Host } from "../../host/ports.ts";
import { bootForVerdict, checkKey, checkOnce, knownCheck, type ObservedCheck, requireGuests } from "../boot-check.ts";
import type { ApplyContext } from "../types.ts";
import { KERNEL, type KernelReport } from "./generations.ts";
import type { EmbeddedImage } from "./inputs.ts";

/**
 * What an earlier check found of a built kernel; undefined where none is declared.
 * @throws RootloomError where nothing is there to boot it with.
 */
export function observeKernelCheck(
  { name, path, bootCheck }: KernelResource,
  generation: string,
  { architecture }: { readonly architecture: KernelArchitecture },
  host: Pick<Host, "files" | "processes">,
): ObservedCheck | undefined {
  if (bootCheck === undefined) return undefined;
  // The kernel's own bytes are in its generation's name.
  const { verdict, state, message } = knownCheck(posix.join(path, generation), checkKey(bootCheck), host);
  if (verdict === undefined) requireGuests(`kernel ${name}`, architecture, host);
  return { state, message };
}

/**
 * Boots a built kernel, with the image that is in it, unless that was done. Returns a line for the report; undefined where
 * no check is declared.
 * @throws RootloomError with condition "CheckFailed" for one that failed now or before.
 */
export async function requireHealthyKernel(
  { id, path, bootCheck: check, initramfs: embedded }: KernelResource,
  report: KernelReport,
  initramfs: EmbeddedImage | undefined,
  context: ApplyContext,
): Promise<string | undefined> {
  if (check === undefined) return undefined;
  const { generation, size_bytes } = report;
  const directory = posix.join(path, generation);
  const key = checkKey(check);
  const kernel = posix.join(directory, KERNEL);
  const machine = {
    architecture: report.architecture,
    memory_bytes: check.memory_bytes ?? memoryFor(size_bytes, initramfs?.uncompressed_bytes ?? 0),
    machine: check.machine,
    start: { type: "kernel", kernel, initramfs: undefined, cmdline: check.cmdline } as const,
  };
  const boot = { directory, generation, key, check, machine, probe: kernel, mode: 0o600 };
  const run = async () => {
    const booted = await bootForVerdict(boot, context);
    // What a secret overlay makes the guest print is in its log alone.
    return embedded?.secret === true ? { ...booted, lines: [] } : booted;
  };
  return checkOnce(id, boot, run, context);
}
