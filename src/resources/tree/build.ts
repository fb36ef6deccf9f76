import { posix } from "node:path";
import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { Files, Host } from "../../host/ports.ts";
import { identityOf, type Marker, writeMarker } from "../marker.ts";
import { shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import type { ApplyContext } from "../types.ts";
import { type Built, findBuilt } from "./built.ts";
import { looksLikeRoot } from "./looks.ts";
import { buildPaths, isBuildOf, type TreePaths, treePaths } from "./paths.ts";
import { provideTarball, sourceFacts, sourceKey, type Tarball } from "./source.ts";

/**
 * Fills a new top beside the tree's place, in `.rootloom/build/NAME-RUN`: extracted, checked, recorded, synced,
 * and marked last. One that an interrupted run finished is taken as it is; unfinished ones are removed.
 */
export async function buildTree(resource: TreeResource, context: ApplyContext): Promise<Built> {
  const { files } = context.host;
  const paths = treePaths(resource.volumePath, resource.name);
  makeOwnFolders(paths, files);
  const key = sourceKey(resource.source);
  const whole = findBuilt(resource, context, files);
  const usable = whole?.source === key ? whole : undefined;
  await sweepBuilds(paths, resource.name, usable?.folder, context.host);
  if (usable !== undefined) return usable;
  const tarball = await provideTarball(resource, context);
  const folder = posix.join(paths.builds, `${resource.name}-${shortRun(context.runId)}`);
  await context.effect("tree.build", { folder, tarball: tarball.path }, () => fill(resource, tarball, folder, context));
  const marker = await recordBuild(resource, folder, context);
  return { folder, marker, source: key };
}

/** `.rootloom` and the folders below it that a tree needs, all 0700. */
export function makeOwnFolders(paths: TreePaths, files: Files): void {
  for (const folder of [paths.own, paths.trees, paths.builds, paths.kept]) {
    const stat = files.stat(folder);
    if (stat === undefined) files.makeDirectory(folder, { owner: 0, group: 0, mode: 0o700 });
    else if (stat.type !== "directory")
      throw new RootloomError(`cannot use ${folder}: it is a ${stat.type}`, { hint: `move ${folder} away` });
  }
}

/** Removes what interrupted runs left of this tree's builds; `but` is kept. */
export async function sweepBuilds(
  paths: TreePaths,
  name: string,
  but: string | undefined,
  host: Pick<Host, "files" | "jobs">,
): Promise<void> {
  for (const entry of host.files.list(paths.builds) ?? []) {
    const folder = posix.join(paths.builds, entry);
    if (isBuildOf(entry, name) && folder !== but) await removeDirectory(host, folder);
  }
}

/** Extracts a tarball, or only the members named in `members` (a file of NUL-separated names), with GNU tar. */
export async function extract(
  tarball: Tarball,
  directory: string,
  context: ApplyContext,
  members?: string,
): Promise<void> {
  const { files, processes } = context.host;
  const before = files.stat(tarball.path)?.stamp;
  await processes.run({
    file: "tar",
    arguments: [
      "--extract",
      "--force-local",
      `--file=${tarball.path}`,
      `--directory=${directory}`,
      "--numeric-owner",
      "--same-owner",
      "--preserve-permissions",
      "--xattrs",
      "--xattrs-include=*",
      ...(members === undefined ? [] : ["--null", `--files-from=${members}`]),
    ],
    timeout_ms: 0,
    signal: context.signal,
    // With members, 2 also means that some are not in the archive: what came out is checked by the caller.
    ...(members === undefined ? {} : { accept: [0, 2] }),
  });
  if (files.stat(tarball.path)?.stamp !== before)
    throw new RootloomError(`cannot use ${tarball.path}: it changed while it was read`, { retry: "transient" });
}

async function fill(resource: TreeResource, tarball: Tarball, folder: string, context: ApplyContext): Promise<void> {
  const { files } = context.host;
  const { root } = buildPaths(folder);
  files.makeDirectory(folder, { owner: 0, group: 0, mode: 0o700 });
  files.makeDirectory(root, { owner: 0, group: 0, mode: 0o755 });
  context.progress(`extracting ${posix.basename(tarball.path)}`);
  await extract(tarball, root, context).catch((thrown) => {
    const error = notExtracted(resource, tarball, root, context, thrown);
    // A disk that stays full would keep even the failure from being written down; after a signal the next start sweeps.
    if (!context.signal.aborted) files.removeTree(folder, files.stat(folder)?.inode ?? 0);
    throw error;
  });
  if (!looksLikeRoot(root, files))
    throw new RootloomError(
      `cannot fill tree ${resource.name}: what was extracted does not look like a root: ${listing(files, root)}`,
      { hint: `${tarball.path} must hold bin, usr/bin or the like at its top` },
    );
}

/** Below this much free space it is the disk that failed, whatever tar says. */
const FULL_BYTES = 1 << 20;

function notExtracted(
  resource: TreeResource,
  tarball: Tarball,
  root: string,
  context: ApplyContext,
  thrown: unknown,
): RootloomError {
  const { message, retry, details } = asRootloomError(thrown);
  if (context.signal.aborted) return asRootloomError(thrown);
  const isFull = context.host.files.freeSpace_bytes(root) < FULL_BYTES;
  return new RootloomError(
    `cannot fill tree ${resource.name}: ${isFull ? `the disk ran full while ${tarball.path} was extracted` : message}`,
    {
      hint: isFull
        ? "make room, or run `rootloom gc`; what was half extracted is removed"
        : `look whether it is a whole archive: tar --list --file=${tarball.path}`,
      retry: isFull ? "transient" : retry,
      details,
      cause: thrown,
    },
  );
}

async function recordBuild(resource: TreeResource, folder: string, context: ApplyContext): Promise<Marker> {
  const { files } = context.host;
  const { root, manifest, marker: path } = buildPaths(folder);
  const digest = await recordManifest(root, manifest, [], context);
  files.syncFilesystem(folder);
  const marker = newMarker(resource, root, digest, context);
  writeMarker(files, path, marker);
  return marker;
}

/** Writes the manifest of a top and returns its digest. */
export async function recordManifest(
  root: string,
  manifest: string,
  leaveOut: readonly string[],
  context: ApplyContext,
): Promise<string> {
  const { files, jobs } = context.host;
  context.progress("recording what it holds");
  const recorded = await jobs.run(
    "record",
    { path: root, identity: files.filesystemIdentity(root), cache: context.cache, manifest, leaveOut },
    { signal: context.signal },
  );
  return recorded.digest;
}

export function newMarker(resource: TreeResource, root: string, manifest: string, context: ApplyContext): Marker {
  return {
    version: 1,
    instance: context.instance,
    kind: "tree",
    name: resource.name,
    identity: identityOf(context.host.files, root),
    runId: context.runId,
    createdAt: new Date(context.host.clock.now_ms()).toISOString(),
    inputs: { source: sourceKey(resource.source), content: resource.content },
    details: { source: sourceFacts(resource.source), manifest },
  };
}

function listing(files: Files, root: string): string {
  const names = files.list(root) ?? [];
  if (names.length === 0) return "it is empty";
  return `it holds ${names.slice(0, 5).join(", ")}${names.length > 5 ? ", ..." : ""}`;
}
