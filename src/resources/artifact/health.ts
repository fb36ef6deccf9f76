import { createHash } from "node:crypto";
import { chooseAccelerator } from "../../boot/accelerator.ts";
import { findFirmware } from "../../boot/firmware.ts";
import { bootGuest } from "../../boot/guest.ts";
import { judge } from "../../boot/judge.ts";
import { type Kernel, readKernel } from "../../boot/kernel.ts";
import { type Machine, memoryFor, QEMU } from "../../boot/machine.ts";
import { canonicalJson } from "../../core/digest.ts";
import { RootloomError } from "../../core/error.ts";
import type { ArtifactResource, BootCheck, KernelSource } from "../../core/resource.ts";
import type { Host } from "../../host/ports.ts";
import type { ApplyContext } from "../types.ts";
import { attributesIn, shortRun } from "./directory.ts";
import { type GenerationReport, removeDirectory } from "./generations.ts";
import { BOOT_LOG, readVerdict, VERDICT, type Verdict } from "./verdict.ts";

/** What is known of a generation that is to be checked. */
export interface ObservedCheck {
  readonly state: "passed" | "failed" | "unchecked";
  /** Of one that failed: why. */
  readonly message: string;
}

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
  const key = keyOf(declared.check, readKernel(host.files, declared.kernel));
  const verdict = readVerdict(host.files, `${resource.path}/${generation}`);
  if (verdict?.key === key) return { state: verdict.healthy ? "passed" : "failed", message: verdict.message };
  if (resource.boot?.form === "uki") findFirmware(host.files, declared.check.firmware);
  if (host.processes.find(QEMU) !== undefined) return { state: "unchecked", message: "" };
  throw new RootloomError(`cannot check ${resource.name}: ${QEMU} is not installed`, {
    hint: "apt-get install qemu-system-x86",
  });
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
  const { files } = context.host;
  const directory = `${resource.path}/${report.generation}`;
  const kernel = readKernel(files, declared.kernel);
  const key = keyOf(declared.check, kernel);
  const known = readVerdict(files, directory);
  const { verdict, lines } =
    known?.key === key
      ? { verdict: known, lines: [] }
      : await bootGeneration({ resource, report, kernel, check: declared.check, key }, context);
  if (verdict.healthy) return `boot check passed: ${verdict.message}; ${directory}/${BOOT_LOG}`;
  throw new RootloomError(
    `cannot make generation ${report.generation} current: in its boot check it ${verdict.message}`,
    {
      hint: `see ${directory}/${BOOT_LOG}; it is tried again when an input changes, or by: rootloom trigger ${resource.id}`,
      retry: "waiting",
      condition: "CheckFailed",
      details: lines,
    },
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
): Promise<{ readonly verdict: Verdict; readonly lines: readonly string[] }> {
  const { host, cache, signal } = context;
  const { files, clock } = host;
  const directory = `${resource.path}/${report.generation}`;
  const work = `${resource.path}/.check-${shortRun(context.runId)}`;
  removeDirectory(files, work);
  files.makeDirectories(work, 0o700);
  try {
    // The very bytes that the key names: what it was read from may change meanwhile.
    const path = `${work}/kernel`;
    files.writeFile(path, kernel.bytes, attributesIn(files, work, 0o600));
    const accelerator = await chooseAccelerator(path, { host, cache, signal });
    context.progress(`booting generation ${report.generation} (${accelerator})`);
    const machine: Machine = {
      accelerator,
      memory_bytes: check.memory_bytes ?? memoryFor(inMemory_bytes(report), report.uncompressed_bytes),
      machine: check.machine,
      start: startOf({ resource, report, check }, { work, kernel: path }, host),
    };
    const timeout_ms = check.timeout_s * 1000;
    const booted = await bootGuest(host, machine, { expect: check.expect, timeout_ms, signal });
    const { console } = booted;
    const { healthy, message } = judge(booted.end, console.complaint, check, booted.duration_ms);
    const checkedAt = new Date(clock.now_ms()).toISOString();
    const verdict: Verdict = { version: 1, key, healthy, message, accelerator, checkedAt };
    const attributes = attributesIn(files, directory, files.stat(`${directory}/${report.file}`)?.mode ?? 0o600);
    files.writeFile(`${directory}/${BOOT_LOG}`, console.log(), attributes);
    files.writeFile(`${directory}/${VERDICT}`, `${JSON.stringify(verdict, undefined, 2)}\n`, attributes);
    return { verdict, lines: isSecret(resource) ? [] : console.lastLines(12) };
  } finally {
    if (!signal.aborted) removeDirectory(files, work);
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

/** What a secret overlay makes a guest print is read in its log, by whoever may read the image. */
function isSecret({ overlays }: ArtifactResource): boolean {
  return overlays.some(({ secret }) => secret);
}

function keyOf(check: BootCheck, { sha256 }: Pick<Kernel, "sha256">): string {
  return createHash("sha256")
    .update(canonicalJson({ check, kernel: sha256 }))
    .digest("hex");
}
