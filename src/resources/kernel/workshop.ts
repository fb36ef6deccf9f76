import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { KernelResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { NOBODY } from "../../host/unprivileged.ts";
import { removeDirectory } from "../remove.ts";
import type { ApplyContext } from "../types.ts";
import type { KernelInputs } from "./inputs.ts";
import { buildPaths, compilerCachePath } from "./paths.ts";
import type { Workshop } from "./sandbox.ts";

interface Note {
  readonly key: string;
  /** The run whose make is at work, or was killed. */
  readonly running: string;
}

/**
 * Makes ready where a kernel is made. The tree of the last build is gone on with, so that only what changed is compiled;
 * that of another source or compiler, or one in which make was killed, is thrown away: an object that was half written
 * would be taken for a whole one.
 */
export async function openWorkshop(
  resource: KernelResource,
  { toolchain, inputs }: KernelInputs,
  source: string,
  context: ApplyContext,
): Promise<Workshop> {
  const { files, processes } = context.host;
  const { cache } = context;
  const paths = buildPaths(cache, resource.modulesOf ?? resource.name);
  // A directory is gone on with whatever changed in it: make looks at the times of its files.
  const origin = resource.source.type === "directory" ? resource.source.path : inputs.source;
  const key = digestOf([origin ?? "", inputs.patches ?? "", inputs.architecture ?? "", inputs.compiler ?? "", source]);
  const note = readNote(files, paths.note);
  if (note?.key !== key || note.running !== "") await removeDirectory(context.host, paths.tree);
  files.makeDirectories(paths.input, 0o700);
  const isRoot = processes.userId === 0;
  const of = isRoot ? { owner: NOBODY, group: NOBODY } : { owner: processes.userId, group: 0 };
  for (const path of [paths.tree, compilerCachePath(cache)]) {
    files.makeDirectories(path, 0o755);
    files.setAttributes(files.realPath(path) ?? path, { ...of, mode: 0o755 });
  }
  files.setAttributes(paths.input, { owner: processes.userId, group: 0, mode: 0o755 });
  writeNote(files, paths.note, { key, running: context.runId });
  return { source, paths, toolchain, root: resource.buildIn?.path, cache, sourceDate_s: resource.sourceDate_s };
}

/** Make has ended by itself: what it left can be gone on with. */
export function closeWorkshop({ paths }: Workshop, context: ApplyContext): void {
  const { files } = context.host;
  const note = readNote(files, paths.note);
  if (note !== undefined) writeNote(files, paths.note, { ...note, running: "" });
}

/** What is in the way of the name of a folder of builds. */
export async function removeWorkshop(name: string, context: ApplyContext): Promise<void> {
  await removeDirectory(context.host, buildPaths(context.cache, name).folder);
}

function readNote(files: Files, path: string): Note | undefined {
  try {
    const note = JSON.parse(files.readText(path) ?? "") as Partial<Note>;
    return typeof note.key === "string" && typeof note.running === "string" ? (note as Note) : undefined;
  } catch {
    return undefined;
  }
}

function writeNote(files: Files, path: string, note: Note): void {
  files.makeDirectories(posix.dirname(path), 0o700);
  files.writeFile(path, `${JSON.stringify(note)}\n`, { owner: 0, group: 0, mode: 0o600 });
}

function digestOf(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
