import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { BootstrapSource } from "../../core/resource.ts";
import { bootstrapEstimate_bytes } from "../../core/space.ts";
import type { Command, Host } from "../../host/ports.ts";
import { shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import { requireTool } from "../require-tool.ts";
import { withSpace } from "../space.ts";
import type { ApplyContext } from "../types.ts";
import { emulated, findEmulation } from "./emulation.ts";
import { keepFile, keptPaths, sha256Of, type Tarball } from "./kept.ts";

/** First release of each suite, UTC: the source date of what is made from it. Other suites: 0. */
const RELEASE_DATES_S: Readonly<Record<string, number>> = {
  buster: Date.UTC(2019, 6, 6) / 1000,
  bullseye: Date.UTC(2021, 7, 14) / 1000,
  bookworm: Date.UTC(2023, 5, 10) / 1000,
  trixie: Date.UTC(2025, 7, 9) / 1000,
};

/**
 * Runs mmdebstrap or debootstrap into `CACHE/sources/KEY.tar`, written beside and renamed, with its sha256 in
 * `KEY.json`. Needs the network and root; takes minutes.
 */
export async function bootstrap(
  name: string,
  source: BootstrapSource,
  key: string,
  context: ApplyContext,
): Promise<Tarball> {
  const { files, processes } = context.host;
  requireMeans(name, source, context);
  const registration = await findEmulation(name, source, context);
  const { folder } = keptPaths(key, context.cache);
  files.makeDirectories(folder);
  const stem = `.${key.replace(":", "-")}-`;
  await sweep(folder, stem, name, context.host);
  const beside = posix.join(folder, `${stem}${shortRun(context.runId)}-${name}`);
  files.makeDirectory(`${beside}.work`, { owner: 0, group: 0, mode: 0o755 });
  const environment = environmentOf(source, beside);
  const run: Run = (command) =>
    processes.run(emulated(registration, { ...command, environment, timeout_ms: 0, signal: context.signal }));
  context.progress(`bootstrapping ${source.suite} (${source.variant})`);
  const needed_bytes = bootstrapEstimate_bytes(source.variant, source.include.length);
  await withSpace(context, { path: folder, needed_bytes, what: `bootstrap ${source.suite}` }, () =>
    context.effect("tree.bootstrap", { path: keptPaths(key, context.cache).path }, () =>
      source.type === "mmdebstrap" ? runMmdebstrap(source, beside, run) : runDebootstrap(source, beside, run),
    ),
  );
  const sha256 = await sha256Of(`${beside}.tar`, context, false);
  if (sha256 === undefined || files.stat(`${beside}.tar`)?.size === 0)
    throw new RootloomError(`cannot fill tree ${name}: ${source.type} left no tarball`, { retry: "transient" });
  const kept = keepFile(`${beside}.tar`, key, { sha256, verified: "" }, context);
  await sweep(folder, stem, name, context.host);
  return kept;
}

/** The command's arguments. Without a mirror it uses the sources that the host's own apt uses. */
export function mmdebstrapArguments(source: BootstrapSource, target: string): readonly string[] {
  return [
    "--mode=root",
    "--format=tar",
    `--variant=${source.variant}`,
    ...listOption("include", source.include),
    ...(source.architecture === undefined ? [] : [`--architectures=${source.architecture}`]),
    ...listOption("components", source.components),
    ...(source.keyring === undefined ? [] : [`--keyring=${source.keyring.content}`]),
    source.suite,
    target,
    ...(source.mirror === undefined ? [] : [source.mirror]),
  ];
}

/** The command's arguments. debootstrap fills a directory; `standard` is what it calls no variant. */
export function debootstrapArguments(source: BootstrapSource, target: string): readonly string[] {
  return [
    ...(source.variant === "standard" ? [] : [`--variant=${source.variant}`]),
    ...listOption("include", source.include),
    ...listOption("exclude", source.exclude ?? []),
    ...(source.architecture === undefined ? [] : [`--arch=${source.architecture}`]),
    ...listOption("components", source.components),
    // A release that nobody could vouch for is refused, not taken with a warning.
    "--force-check-gpg",
    ...(source.keyring === undefined ? [] : [`--keyring=${source.keyring.content}`]),
    source.suite,
    target,
    ...(source.mirror === undefined ? [] : [source.mirror]),
  ];
}

function listOption(name: string, values: readonly string[]): readonly string[] {
  return values.length === 0 ? [] : [`--${name}=${values.join(",")}`];
}

type Run = (command: Pick<Command, "file" | "arguments" | "privateNamespace">) => Promise<unknown>;

async function runMmdebstrap(source: BootstrapSource, beside: string, run: Run): Promise<void> {
  await run({ file: "mmdebstrap", arguments: mmdebstrapArguments(source, `${beside}.tar`) });
}

/** What it mounts in the root while it works ends with its mount namespace, so that nothing is packed across it. */
async function runDebootstrap(source: BootstrapSource, beside: string, run: Run): Promise<void> {
  const root = `${beside}.work/root`;
  await run({ file: "debootstrap", arguments: debootstrapArguments(source, root), privateNamespace: true });
  await run({
    file: "tar",
    arguments: [
      ...["--create", "--force-local", `--file=${beside}.tar`, `--directory=${root}`, "--one-file-system"],
      ...["--format=pax", "--sort=name", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"],
      ...["--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime", "."],
    ],
  });
}

function environmentOf(source: BootstrapSource, beside: string): Readonly<Record<string, string>> {
  return { SOURCE_DATE_EPOCH: String(RELEASE_DATES_S[source.suite] ?? 0), TMPDIR: `${beside}.work` };
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

function requireMeans(name: string, { type, suite }: BootstrapSource, context: ApplyContext): void {
  const { processes } = context.host;
  if (context.network.offline)
    throw new RootloomError(`cannot fill tree ${name}: ${type} ${suite} was not made before, and the host is offline`, {
      hint: "run once without --offline (ROOTLOOM_OFFLINE, `offline` of the Host), or declare a tarball that is here",
      retry: "waiting",
      condition: "Offline",
    });
  requireTool(type, `fill tree ${name}`, type, context);
  if (processes.userId !== 0)
    throw new RootloomError(`cannot fill tree ${name}: ${type} needs root to keep owners and device nodes`, {
      hint: "run as root",
    });
}
