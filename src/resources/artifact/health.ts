import { findFirmware } from "../../boot/firmware.ts";
import { type Kernel, readKernel } from "../../boot/kernel.ts";
import { type Machine, memoryFor } from "../../boot/machine.ts";
import type { ArtifactResource, BootCheck, KernelSource } from "../../core/resource.ts";
import type { Host } from "../../host/ports.ts";
import {
  bootForVerdict,
  type Checked,
  checkKey,
  checkOnce,
  knownCheck,
  type ObservedCheck,
  requireGuests,
} from "../boot-check.ts";
import { attributesIn } from "../marked.ts";
import { shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import type { ApplyContext } from "../types.ts";
import type { GenerationReport } from "./generations.ts";

interface DeclaredCheck {
  readonly check: BootCheck;
  readonly kernel: KernelSource;
}

/** The check of an artifact with all that it needs; undefined where none is declared. */
export function declaredCheck({ bootCheck, kernel }: ArtifactResource): DeclaredCheck | undefined {
  return bootCheck === undefined || kernel === undefined ? undefined : { check: bootCheck, kernel };
}

/**
 * What an earlier check found of a generation.
 * @throws RootloomError where the kernel cannot be read, or nothing is there to boot it with.
 */
export function observeCheck(
  resource: ArtifactResource,
  generation: string,
  host: Pick<Host, "files" | "processes">,
): ObservedCheck | undefined {
  const declared = declaredCheck(resource);
  if (declared === undefined) return undefined;
  const kernel = readKernel(host.files, declared.kernel);
  const known = knownCheck(`${resource.path}/${generation}`, checkKey(declared.check, { kernel: kernel.sha256 }), host);
  if (known.verdict !== undefined) return { state: known.state, message: known.message };
  if (resource.boot?.form === "uki") findFirmware(host.files, declared.check.firmware);
  requireGuests(resource.name, kernel.architecture, host);
  return { state: "unchecked", message: "" };
}

/**
 * Boots a generation unless that was done, and keeps the verdict and the log of its console with it. Returns a line for
 * the report; undefined where no check is declared.
 * @throws RootloomError with condition "CheckFailed" for a generation that failed now or before.
 */
export async function requireHealthy(
  resource: ArtifactResource,
  report: GenerationReport,
  context: ApplyContext,
): Promise<string | undefined> {
  const declared = declaredCheck(resource);
  if (declared === undefined) return undefined;
  const { check } = declared;
  const { generation } = report;
  const kernel = readKernel(context.host.files, declared.kernel);
  const key = checkKey(check, { kernel: kernel.sha256 });
  const about = { directory: `${resource.path}/${generation}`, generation, key };
  return checkOnce(
    resource.id,
    about,
    () => bootGeneration({ resource, report, kernel, check, key }, context),
    context,
  );
}

interface Check {
  readonly resource: ArtifactResource;
  readonly report: GenerationReport;
  readonly kernel: Kernel;
  readonly check: BootCheck;
  readonly key: string;
}

async function bootGeneration(
  { resource, report, kernel, check, key }: Check,
  context: ApplyContext,
): Promise<Checked> {
  const { host, signal } = context;
  const { files } = host;
  const { generation } = report;
  const directory = `${resource.path}/${generation}`;
  const work = `${resource.path}/.check-${shortRun(context.runId)}`;
  await removeDirectory(host, work);
  files.makeDirectories(work, 0o700);
  try {
    // The very bytes that the key names: what it was read from may change meanwhile.
    const path = `${work}/kernel`;
    files.writeFile(path, kernel.bytes, attributesIn(files, work, 0o600));
    const machine = {
      architecture: kernel.architecture,
      memory_bytes: check.memory_bytes ?? memoryFor(inMemory_bytes(report), report.uncompressed_bytes),
      machine: check.machine,
      start: startOf({ resource, report, check }, { work, kernel: path }, host),
    };
    const mode = files.stat(`${directory}/${report.file}`)?.mode ?? 0o600;
    const boot = { directory, generation, key, check, machine, probe: path, mode };
    const booted = await bootForVerdict(boot, context);
    // What a secret overlay makes a guest print is read in its log, by whoever may read the image.
    return { ...booted, lines: resource.secretOverlay === undefined ? booted.lines : [] };
  } finally {
    if (!signal.aborted) await removeDirectory(host, work);
  }
}

/** The image, and what holds it once more, or its kernel. */
function inMemory_bytes({ size_bytes, files = [] }: GenerationReport): number {
  return files.reduce((sum, file) => sum + file.size_bytes, size_bytes);
}

/** A uki is started by firmware; all else by QEMU, with the entry's command line. */
function startOf(
  { resource, report, check }: Pick<Check, "resource" | "report" | "check">,
  { work, kernel }: { readonly work: string; readonly kernel: string },
  { files }: Pick<Host, "files">,
): Machine["start"] {
  const directory = `${resource.path}/${report.generation}`;
  const { boot } = resource;
  const uki = boot?.form === "uki" ? report.files?.find(({ path }) => path.endsWith(".efi")) : undefined;
  if (uki === undefined) {
    const cmdline = [boot?.cmdline ?? "", check.cmdline].filter((part) => part !== "").join(" ");
    return { type: "kernel", kernel, initramfs: `${directory}/${report.file}`, cmdline };
  }
  const { code, variables } = findFirmware(files, check.firmware);
  files.copyFile(variables, `${work}/variables`);
  return { type: "firmware", code, variables: `${work}/variables`, program: `${directory}/${uki.path}` };
}
