import { posix } from "node:path";
import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { PackageSource } from "../../core/resource.ts";
import { shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import { requireTool } from "../require-tool.ts";
import { withSpace } from "../space.ts";
import { checkKept, keepFile, keptPaths, sha256Of, type Tarball } from "../tree/kept.ts";
import type { ApplyContext } from "../types.ts";

/**
 * The kernel's source in a package of the distribution, `usr/src/linux-source-6.1.tar.xz` in it. apt fetches and verifies
 * the package as it does any other.
 */
export async function fetchPackage(name: string, source: PackageSource, context: ApplyContext): Promise<Tarball> {
  const { files } = context.host;
  const version = source.version === undefined ? "" : `=${source.version}`;
  const key = packageKey(source);
  const kept = await checkKept(key, context);
  if (kept !== undefined) return kept;
  const what = `fetch the package ${source.name}`;
  if (context.network.offline)
    throw new RootloomError(`cannot ${what}: this host is offline by its configuration`, {
      hint: "run once without --offline (ROOTLOOM_OFFLINE, `offline` of the Host)",
      retry: "waiting",
      condition: "Offline",
    });
  for (const tool of ["apt-get", "dpkg-deb"]) requireTool(tool, what, tool === "apt-get" ? "apt" : "dpkg", context);
  const { folder } = keptPaths(key, context.cache);
  const work = posix.join(folder, `.kernel-${shortRun(context.runId)}-${name}.work`);
  files.makeDirectories(folder);
  files.makeDirectory(work, { owner: 0, group: 0, mode: 0o755 });
  try {
    context.progress(`fetching ${source.name}`);
    const download = ["download", `${source.name}${version}`];
    const said = await run(["apt-get", "--quiet", "--print-uris", ...download], work, context);
    return await withSpace(context, { path: work, needed_bytes: roomFor(said), what }, async () => {
      await run(["apt-get", "--quiet", ...download], work, context);
      return takeTarball(name, source, work, context);
    });
  } finally {
    await removeDirectory(context.host, work);
  }
}

/** The package, as long as apt says (`'URI' FILE BYTES HASH`), and the tarball in it, which is compressed already. */
function roomFor(said: string): number {
  return 2 * Number(/^'[^']*' \S+ (\d+)( |$)/m.exec(said)?.[1] ?? 0);
}

async function takeTarball(name: string, source: PackageSource, work: string, context: ApplyContext): Promise<Tarball> {
  const { files } = context.host;
  const found = (files.list(work) ?? []).find((file) => file.endsWith(".deb")) ?? "";
  await run(["dpkg-deb", "--extract", found, "tree"], work, context);
  const place = posix.join(work, "tree/usr/src");
  const tarball = (files.list(place) ?? []).find((file) => /\.tar\.(xz|gz|bz2|zst)$/.test(file));
  const path = posix.join(place, tarball ?? "");
  const sha256 = tarball === undefined ? undefined : await sha256Of(path, context, false);
  if (sha256 === undefined)
    throw new RootloomError(`cannot build kernel ${name}: the package ${source.name} has no tarball in /usr/src`, {
      hint: "name a package of a kernel's source, such as linux-source-6.1",
    });
  return keepFile(path, packageKey(source), { sha256, verified: `package ${posix.basename(found, ".deb")}` }, context);
}

/** Under which its tarball is kept. */
export function packageKey({ name, version }: PackageSource): string {
  return `package:${name}${version === undefined ? "" : `_${version.replaceAll(":", "%")}`}`;
}

async function run(
  [file = "", ...words]: readonly string[],
  directory: string,
  context: ApplyContext,
): Promise<string> {
  try {
    const environment = { LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
    const { stdout } = await context.host.processes.run({
      file,
      arguments: words,
      directory,
      environment,
      timeout_ms: 0,
      signal: context.signal,
    });
    return stdout;
  } catch (thrown) {
    context.signal.throwIfAborted();
    const { message, details } = asRootloomError(thrown);
    throw new RootloomError(message, {
      hint: "apt-get update; then look at the name and the version",
      retry: "transient",
      details,
      cause: thrown,
    });
  }
}
