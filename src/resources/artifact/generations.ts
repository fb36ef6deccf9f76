import type { Files, Host } from "../../host/ports.ts";
import { outdatedOf, type Retention, removeGenerations } from "../retention.ts";

/** A file of a generation beside image and manifest; its path is below the generation. */
export interface PackedFile {
  readonly path: string;
  readonly sha256: string;
  readonly size_bytes: number;
}

/** `report.json` of a generation: enough to know it again when the store was lost. */
export interface GenerationReport {
  readonly version: 1;
  readonly instance: string;
  readonly artifact: string;
  readonly generation: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly file: string;
  readonly sha256: string;
  readonly size_bytes: number;
  readonly uncompressed_bytes: number;
  readonly entries: number;
  readonly segments: number;
  readonly segmentsReused: number;
  readonly manifestSha256: string;
  readonly layers: readonly {
    readonly name: string;
    readonly digest: string;
    readonly entries: number;
    readonly size_bytes: number;
  }[];
  readonly notes: readonly string[];
  /** Of its boot tree, where it has one. */
  readonly files?: readonly PackedFile[] | undefined;
  /** What made it, by name: versions, as the tools tell them. */
  readonly tools?: Readonly<Record<string, string>> | undefined;
  readonly revision: string;
  readonly runId: string;
  readonly createdAt: string;
}

/** Files of a generation beside the image itself. */
export const MANIFEST = "manifest";
export const REPORT = "report.json";
export const CURRENT = "current";

const GENERATION = /^[0-9a-f]{16}$/;

/** Our finished generations at a path, newest first. A directory without our own report is not one of them. */
export function listGenerations(files: Files, path: string, instance: string): readonly GenerationReport[] {
  const names = (files.list(path) ?? []).filter((name) => GENERATION.test(name));
  const reports = names.flatMap((name) => readReport(files, path, name) ?? []);
  return reports
    .filter((report) => report.instance === instance)
    .sort((a, b) => (a.createdAt === b.createdAt ? 0 : a.createdAt < b.createdAt ? 1 : -1));
}

/** The report of one generation; undefined when it is missing, damaged or of another generation. */
export function readReport(files: Files, path: string, generation: string): GenerationReport | undefined {
  const directory = `${path}/${generation}`;
  if (!GENERATION.test(generation) || files.stat(directory)?.type !== "directory") return undefined;
  try {
    const report: unknown = JSON.parse(files.readText(`${directory}/${REPORT}`) ?? "");
    return isReport(report) && report.generation === generation ? report : undefined;
  } catch {
    return undefined;
  }
}

const TEXTS = ["instance", "artifact", "generation", "sha256", "manifestSha256", "revision", "runId", "createdAt"];
const NUMBERS = ["size_bytes", "uncompressed_bytes", "entries", "segments", "segmentsReused"];

/** Whether all of a report is there, as we write it: half of one is none. */
function isReport(value: unknown): value is GenerationReport {
  if (typeof value !== "object" || value === null) return false;
  const report = value as Readonly<Record<string, unknown>>;
  const { version, file, inputs, layers, notes, files } = report;
  return (
    version === 1 &&
    typeof file === "string" &&
    /^[^/]+$/.test(file) &&
    TEXTS.every((name) => typeof report[name] === "string") &&
    NUMBERS.every((name) => typeof report[name] === "number") &&
    typeof inputs === "object" &&
    inputs !== null &&
    Object.values(inputs).every((input) => typeof input === "string") &&
    Array.isArray(layers) &&
    Array.isArray(notes) &&
    (files === undefined || (Array.isArray(files) && files.every(isPackedFile)))
  );
}

export function isPackedFile(value: unknown): value is PackedFile {
  const { path, sha256, size_bytes } = (value ?? {}) as Partial<Record<keyof PackedFile, unknown>>;
  const isInside = typeof path === "string" && !path.startsWith("/") && !path.split("/").includes("..");
  return isInside && typeof sha256 === "string" && typeof size_bytes === "number";
}

/** undefined when image and manifest are there as they were packed, else what is wrong, for people. */
export async function damageOf(
  host: Host,
  path: string,
  packed: Pick<GenerationReport, "generation" | "file" | "sha256" | "size_bytes" | "manifestSha256" | "files">,
  check: { readonly cache: string; readonly trustCache: boolean; readonly signal?: AbortSignal | undefined },
): Promise<string | undefined> {
  const { cache, trustCache, signal } = check;
  const directory = `${path}/${packed.generation}`;
  const wanted: readonly (readonly [string, string, number | undefined])[] = [
    [packed.file, packed.sha256, packed.size_bytes],
    [MANIFEST, packed.manifestSha256, undefined],
    ...(packed.files ?? []).map((each) => [each.path, each.sha256, each.size_bytes] as const),
  ];
  for (const [name, sha256, size_bytes] of wanted) {
    if (host.files.stat(`${directory}/${name}`)?.type !== "file") return `${name} is missing`;
    const found = await host.jobs.run("hash", { path: `${directory}/${name}`, cache, trustCache }, { signal });
    if (found === undefined) return `${name} is missing`;
    if (size_bytes !== undefined && found.size_bytes !== size_bytes) {
      return `${name} differs from what was packed: ${found.size_bytes} bytes, ${size_bytes} were packed`;
    }
    if (found.sha256 !== sha256) return `${name} differs from what was packed: sha256 ${found.sha256.slice(0, 12)}`;
  }
  return undefined;
}

/** Notes what was just written, so that the next pass need not read it to know it. */
export async function keepDigests(
  host: Host,
  path: string,
  report: GenerationReport,
  { cache, signal }: { readonly cache: string; readonly signal: AbortSignal },
): Promise<void> {
  const directory = `${path}/${report.generation}`;
  const written = [
    [report.file, report.sha256],
    [MANIFEST, report.manifestSha256],
    ...(report.files ?? []).map((each) => [each.path, each.sha256] as const),
  ] as const;
  for (const [name, sha256] of written)
    await host.jobs.run("hash", { cache, trustCache: true, path: `${directory}/${name}`, written: sha256 }, { signal });
}

interface Present {
  readonly instance: string;
  readonly current: string;
  readonly now_ms: number;
}

/** Removes what is not to stay. Returns the names. */
export async function removeOutdated(
  host: Pick<Host, "files" | "jobs">,
  path: string,
  retention: Retention,
  present: Present,
): Promise<readonly string[]> {
  const all = listGenerations(host.files, path, present.instance);
  return removeGenerations(host, path, outdatedOf(host.files, path, all, retention, present));
}
