import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { TreeSource } from "../../core/resource.ts";
import type { Files, Host } from "../../host/ports.ts";
import { shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import type { ApplyContext } from "../types.ts";
import type { Tarball } from "./source.ts";

type MmdebstrapSource = Extract<TreeSource, { type: "mmdebstrap" }>;

/** First release of each suite, UTC: the source date of what is made from it. Other suites: 0. */
const RELEASE_DATES_S: Readonly<Record<string, number>> = {
  buster: Date.UTC(2019, 6, 6) / 1000,
  bullseye: Date.UTC(2021, 7, 14) / 1000,
  bookworm: Date.UTC(2023, 5, 10) / 1000,
  trixie: Date.UTC(2025, 7, 9) / 1000,
};

/** Two roots with the same arguments wait for one bootstrap. */
const running = new Map<string, Promise<Tarball>>();

/**
 * Runs mmdebstrap into `CACHE/sources/KEY.tar`, written beside and renamed, with its sha256 in `KEY.json`.
 * Needs the network and root; takes minutes.
 */
export async function bootstrap(
  name: string,
  source: MmdebstrapSource,
  key: string,
  context: ApplyContext,
): Promise<Tarball> {
  const { path } = bootstrapPaths(key, context.cache);
  const other = running.get(path);
  if (other !== undefined) return other;
  const made = make(name, source, key, context).finally(() => running.delete(path));
  running.set(path, made);
  return made;
}

/** What an earlier bootstrap with the same arguments left, unchecked; undefined when there is none. */
export function keptBootstrap(key: string, cache: string, files: Files): Tarball | undefined {
  const { path, facts } = bootstrapPaths(key, cache);
  if (files.stat(path)?.type !== "file") return undefined;
  try {
    const { sha256 } = JSON.parse(files.readText(facts) ?? "{}") as { readonly sha256?: unknown };
    return typeof sha256 === "string" ? { path, sha256 } : undefined;
  } catch {
    return undefined;
  }
}

/** The command's arguments. Without a mirror it uses the sources that the host's own apt uses. */
export function mmdebstrapArguments(source: MmdebstrapSource, target: string): readonly string[] {
  return [
    "--mode=root",
    "--format=tar",
    `--variant=${source.variant}`,
    ...(source.include.length === 0 ? [] : [`--include=${source.include.join(",")}`]),
    ...(source.architecture === undefined ? [] : [`--architectures=${source.architecture}`]),
    ...(source.components.length === 0 ? [] : [`--components=${source.components.join(",")}`]),
    source.suite,
    target,
    ...(source.mirror === undefined ? [] : [source.mirror]),
  ];
}

async function make(name: string, source: MmdebstrapSource, key: string, context: ApplyContext): Promise<Tarball> {
  const { files, processes, jobs } = context.host;
  requireTool(name, context);
  const { path, facts } = bootstrapPaths(key, context.cache);
  const folder = posix.dirname(path);
  files.makeDirectories(folder);
  const stem = `.${posix.basename(path, ".tar")}-`;
  await sweep(folder, stem, name, context.host);
  const beside = posix.join(folder, `${stem}${shortRun(context.runId)}-${name}`);
  files.makeDirectory(`${beside}.work`, { owner: 0, group: 0, mode: 0o755 });
  context.progress(`bootstrapping ${source.suite} (${source.variant})`);
  await context.effect("tree.bootstrap", { path }, async () => {
    await processes.run({
      file: "mmdebstrap",
      arguments: mmdebstrapArguments(source, `${beside}.tar`),
      environment: { SOURCE_DATE_EPOCH: String(RELEASE_DATES_S[source.suite] ?? 0), TMPDIR: `${beside}.work` },
      timeout_ms: 0,
      signal: context.signal,
    });
  });
  const hashed = await jobs.run(
    "hash",
    { path: `${beside}.tar`, cache: context.cache, trustCache: false },
    { signal: context.signal },
  );
  if (hashed === undefined || hashed.size_bytes === 0)
    throw new RootloomError(`cannot fill tree ${name}: mmdebstrap left no tarball`, { retry: "transient" });
  files.syncFilesystem(folder);
  // The facts are removed first: a tarball without them is not used, one with another's facts must not be.
  if (files.stat(facts) !== undefined) files.removeFile(facts);
  files.rename(`${beside}.tar`, path);
  files.writeFile(facts, `${JSON.stringify({ key, ...hashed })}\n`, { owner: 0, group: 0, mode: 0o644 });
  await sweep(folder, stem, name, context.host);
  return { path, sha256: hashed.sha256 };
}

/** Where what a bootstrap made is kept, with its facts. */
export function bootstrapPaths(key: string, cache: string): { readonly path: string; readonly facts: string } {
  const stem = posix.join(cache, "sources", key.replace(":", "-"));
  return { path: `${stem}.tar`, facts: `${stem}.json` };
}

/** Removes what interrupted bootstraps of this tree left beside. */
async function sweep(folder: string, stem: string, name: string, host: Pick<Host, "files" | "jobs">): Promise<void> {
  const { files } = host;
  for (const entry of files.list(folder) ?? []) {
    if (!entry.startsWith(stem) || !/^[^-]*-(.*)\.(tar|work)$/.test(entry.slice(stem.length))) continue;
    if (entry.slice(stem.length).replace(/^[^-]*-(.*)\.(tar|work)$/, "$1") !== name) continue;
    const path = posix.join(folder, entry);
    const stat = files.stat(path);
    if (stat?.type === "directory") await removeDirectory(host, path);
    else if (stat !== undefined) files.removeFile(path);
  }
}

function requireTool(name: string, context: ApplyContext): void {
  const { processes } = context.host;
  if (processes.find("mmdebstrap") === undefined)
    throw new RootloomError(`cannot fill tree ${name}: mmdebstrap is not installed`, {
      hint: "apt-get install mmdebstrap",
      retry: "waiting",
      condition: "ToolMissing",
    });
  if (processes.userId !== 0)
    throw new RootloomError(`cannot fill tree ${name}: mmdebstrap needs root to keep owners and device nodes`, {
      hint: "run as root",
    });
}
