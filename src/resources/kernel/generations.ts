import { posix } from "node:path";
import { ARCHITECTURES } from "../../core/kernel.ts";
import type { KernelArchitecture } from "../../core/resource.ts";
import type { Files, Host } from "../../host/ports.ts";
import { MODULES_LIST, modulesDamage } from "./modules.ts";

/** `report.json` of a built kernel: enough to know it again when the store was lost. */
export interface KernelReport {
  readonly version: 1;
  readonly instance: string;
  readonly kernel: string;
  readonly generation: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly architecture: KernelArchitecture;
  /** As the kernel calls itself: `6.1.192`. */
  readonly release: string;
  /** sha256 of each file, by its name. */
  readonly files: Readonly<Record<string, string>>;
  readonly size_bytes: number;
  readonly revision: string;
  readonly runId: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

export const CURRENT = "current";
export const REPORT = "report.json";
/** Files of a generation: the kernel itself, its whole configuration, the same as `savedefconfig` writes it, its symbols. */
export const KERNEL = "kernel";
export const KERNEL_FILES = [KERNEL, "config", "defconfig", "System.map"] as const;

const GENERATION = /^[0-9a-f]{16}$/;

/** Our built kernels at a path, newest first. */
export function listKernels(files: Files, path: string, instance: string): readonly KernelReport[] {
  return (files.list(path) ?? [])
    .flatMap((name) => readKernel(files, path, name) ?? [])
    .filter((report) => report.instance === instance)
    .sort((one, other) => (one.createdAt < other.createdAt ? 1 : -1));
}

/** The report of one; undefined where it is missing, damaged or of another. */
export function readKernel(files: Files, path: string, generation: string): KernelReport | undefined {
  if (!GENERATION.test(generation)) return undefined;
  try {
    const report = JSON.parse(files.readText(posix.join(path, generation, REPORT)) ?? "") as Partial<KernelReport>;
    const isWhole =
      report.version === 1 &&
      typeof report.instance === "string" &&
      typeof report.createdAt === "string" &&
      typeof report.release === "string" &&
      Object.hasOwn(ARCHITECTURES, report.architecture ?? "") &&
      isTexts(report.inputs) &&
      isTexts(report.files) &&
      KERNEL in report.files;
    return isWhole && report.generation === generation ? (report as KernelReport) : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with a built kernel, for people; empty when its files are as they were built. */
export async function kernelDamage(
  host: Host,
  path: string,
  report: Pick<KernelReport, "generation" | "files">,
  { cache, signal }: { readonly cache: string; readonly signal: AbortSignal | undefined },
): Promise<string> {
  for (const [name, sha256] of Object.entries(report.files)) {
    const file = posix.join(path, report.generation, name);
    if (host.files.stat(file)?.type !== "file") return `${name} is missing`;
    const found = await host.jobs.run("hash", { path: file, cache, trustCache: true }, { signal });
    if (found?.sha256 !== sha256) return `${name} differs from what was built`;
  }
  return MODULES_LIST in report.files ? modulesDamage(posix.join(path, report.generation), host) : "";
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === "object" && value !== null && Object.values(value).every((text) => typeof text === "string");
}
