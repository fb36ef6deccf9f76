import { createHash } from "node:crypto";
import { posix } from "node:path";
import { memoryFor } from "../../boot/machine.ts";
import { canonicalJson } from "../../core/digest.ts";
import type { BootCheck, KernelArchitecture, KernelResource } from "../../core/resource.ts";
import type { Host } from "../../host/ports.ts";
import { bootForVerdict, knownCheck, type ObservedCheck, requireGuests, requirePassed } from "../boot-check.ts";
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
  const { verdict, state, message } = knownCheck(posix.join(path, generation), keyOf(bootCheck), host);
  if (verdict === undefined) requireGuests(`kernel ${name}`, architecture, host);
  return { state, message };
}

/**
 * Boots a built kernel, with the image that is in it, unless that was done. Returns a line for the report; undefined where
 * no check is declared.
 * @throws RootloomError with condition "CheckFailed" for one that failed now or before.
 */
export async function requireHealthyKernel(
  { id, path, bootCheck: check }: KernelResource,
  report: KernelReport,
  initramfs: EmbeddedImage | undefined,
  context: ApplyContext,
): Promise<string | undefined> {
  if (check === undefined) return undefined;
  const { generation, size_bytes } = report;
  const directory = posix.join(path, generation);
  const key = keyOf(check);
  const kernel = posix.join(directory, KERNEL);
  const { verdict } = knownCheck(directory, key, context.host);
  const machine = {
    architecture: report.architecture,
    memory_bytes: check.memory_bytes ?? memoryFor(size_bytes, initramfs?.uncompressed_bytes ?? 0),
    machine: check.machine,
    start: { type: "kernel", kernel, initramfs: undefined, cmdline: check.cmdline } as const,
  };
  const boot = { directory, generation, key, check, machine, probe: kernel, mode: 0o600 };
  const known = verdict === undefined ? undefined : { verdict, lines: [] };
  return requirePassed(id, boot, known ?? (await bootForVerdict(boot, context)));
}

/** The kernel's own bytes are in its generation's name. */
function keyOf(check: BootCheck): string {
  return createHash("sha256")
    .update(canonicalJson({ ...check }))
    .digest("hex");
}
