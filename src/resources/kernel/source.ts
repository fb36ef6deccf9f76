import { createHash } from "node:crypto";
import { posix } from "node:path";
import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { KernelResource, KernelTree } from "../../core/resource.ts";
import { shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import { lookOver } from "../sights.ts";
import { withSpace } from "../space.ts";
import { extract } from "../tree/fill.ts";
import { provideTarball, sourceKey } from "../tree/source.ts";
import { unpackedSize_bytes } from "../tree/unpacked.ts";
import type { ApplyContext, ObserveContext } from "../types.ts";
import { fetchPackage } from "./package.ts";
import { unpackedPaths } from "./paths.ts";

/** Names what a kernel is made from: equal keys give the same files. For a directory that is what it looks like now. */
export async function kernelSourceKey(
  { name, source }: Pick<KernelResource, "name" | "source">,
  context: Pick<ObserveContext, "host" | "signal">,
): Promise<string> {
  if (source.type === "package")
    return `package:${source.name}${source.version === undefined ? "" : `=${source.version}`}`;
  if (source.type === "tarball") return sourceKey(source);
  const path = realSource(source.path, context);
  requireSource(name, path, context);
  return `directory:${await sightOf(path, context)}`;
}

/** A directory may be named by a link to it, as distributions keep one. */
function realSource(path: string, { host }: Pick<ObserveContext, "host">): string {
  return host.files.realPath(path) ?? path;
}

/** Names the patches, in their order. */
export function patchesKey({ patches }: Pick<KernelResource, "patches">): string {
  return patches.length === 0 ? "none" : digestOf(patches.map(({ sha256 }) => sha256));
}

/** Under which a source is unpacked and patched. */
export function unpackedKey(sourceKey: string, resource: Pick<KernelResource, "patches">): string {
  return digestOf([sourceKey, patchesKey(resource)]);
}

/** The directory with a kernel's source: the declared one, or the unpacked and patched one in the cache. */
export async function provideKernelSource(resource: KernelResource, context: ApplyContext): Promise<string> {
  const { source } = resource;
  if (source.type === "directory") return realSource(source.path, context);
  const key = unpackedKey(await kernelSourceKey(resource, context), resource);
  const { folder, top, sight } = unpackedPaths(context.cache, key);
  const { files } = context.host;
  const known = files.readText(sight);
  // What was changed by anybody since is not what was checked.
  if (files.stat(top) !== undefined && known !== undefined && (await sightOf(top, context)) === known) return top;
  files.makeDirectories(folder, 0o700);
  await removeDirectory(context.host, top);
  await sweep(folder, key, context);
  const beside = posix.join(folder, `${key}.${shortRun(context.runId)}`);
  await context.effect("kernel.unpack", { path: top }, async () => {
    await unpack(resource, beside, context);
    requireSource(resource.name, beside, context);
    await patch(resource, beside, context);
    files.syncFilesystem(beside);
    files.rename(beside, top);
    files.writeFile(sight, await sightOf(top, context), { owner: 0, group: 0, mode: 0o600 });
  });
  return top;
}

/** Removes what killed or failed unpackings of this source left. */
async function sweep(folder: string, key: string, { host }: ApplyContext): Promise<void> {
  for (const name of host.files.list(folder) ?? [])
    if (name.startsWith(`${key}.`) && name.length === key.length + 9)
      await removeDirectory(host, posix.join(folder, name));
}

async function unpack(resource: KernelResource, into: string, context: ApplyContext): Promise<void> {
  const { files } = context.host;
  const { name, source } = resource;
  const whole = `${into}.whole`;
  await removeDirectory(context.host, whole);
  const tarball = await tarballOf(resource, source, context);
  const file = posix.basename(tarball.path);
  const needed_bytes = await unpackedSize_bytes(tarball.path, context);
  const maxSize_bytes = source.type === "tarball" ? source.maxSize_bytes : undefined;
  try {
    await withSpace(context, { path: into, needed_bytes, what: `unpack ${file}` }, () => {
      context.progress(`extracting ${file}`);
      files.makeDirectory(whole, { owner: 0, group: 0, mode: 0o755 });
      return extract(tarball, whole, context, { maxSize_bytes });
    });
    // A kernel's tarball has one folder, `linux-6.1`, with all in it.
    const [only = "", ...others] = files.list(whole) ?? [];
    const inner = posix.join(whole, only);
    if (others.length === 0 && files.stat(inner)?.type === "directory") files.rename(inner, into);
    else files.rename(whole, into);
  } catch (thrown) {
    const { message, retry, details, condition } = asRootloomError(thrown);
    if (condition === "NoSpace") throw thrown;
    throw new RootloomError(`cannot unpack the source of kernel ${name}: ${message}`, {
      hint: `look whether it is a whole archive: tar --list --file=${tarball.path}`,
      retry,
      details,
      cause: thrown,
    });
  } finally {
    if (!context.signal.aborted) await removeDirectory(context.host, whole);
  }
}

function tarballOf({ name }: KernelResource, source: KernelTree, context: ApplyContext) {
  if (source.type === "package") return fetchPackage(name, source, context);
  if (source.type === "tarball") return provideTarball({ kind: "kernel", name, source }, context);
  throw new RootloomError(`cannot unpack the source of kernel ${name}: it is a directory`);
}

async function patch({ name, patches }: KernelResource, top: string, context: ApplyContext): Promise<void> {
  for (const { path, content } of patches) {
    context.progress(`applying ${path}`);
    try {
      await context.host.processes.run({
        file: "patch",
        arguments: ["--batch", "--forward", "--fuzz=0", "-p1", `--directory=${top}`, `--input=${content}`],
        signal: context.signal,
      });
    } catch (thrown) {
      context.signal.throwIfAborted();
      const { details } = asRootloomError(thrown);
      throw new RootloomError(`cannot build kernel ${name}: the patch ${path} does not apply`, {
        hint: "make it anew against this source, or take it away; patches are applied in their order with patch -p1",
        details,
        cause: thrown,
      });
    }
  }
}

/** @throws RootloomError (waiting) where no kernel's source stands. */
function requireSource(name: string, path: string, { host }: Pick<ObserveContext, "host">): void {
  const missing = ["Makefile", "Kconfig", "scripts/kconfig"].find(
    (file) => host.files.stat(posix.join(path, file)) === undefined,
  );
  if (missing === undefined) return;
  const why = host.files.stat(path) === undefined ? "it is not there" : `it has no ${missing}`;
  throw new RootloomError(`cannot build kernel ${name}: ${path} is no kernel source: ${why}`, {
    hint: `put a kernel's source at ${path}`,
    retry: "waiting",
    condition: "SourceMissing",
  });
}

/** Changes whenever a file of the tree does. */
async function sightOf(path: string, { host, signal }: Pick<ObserveContext, "host" | "signal">): Promise<string> {
  const [seen] = await lookOver(host.jobs, { path, views: [[]] }, signal);
  return seen?.digest ?? "";
}

function digestOf(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}
