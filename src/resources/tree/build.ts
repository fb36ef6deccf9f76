import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { Files, Host } from "../../host/ports.ts";
import { identityOf, type Marker, writeMarker } from "../marker.ts";
import { shortRun } from "../owned.ts";
import { removeDirectory } from "../remove.ts";
import type { ApplyContext } from "../types.ts";
import { type Built, findBuilt } from "./built.ts";
import { sourceFacts } from "./facts.ts";
import { type Filled, fill, provideSupply } from "./fill.ts";
import type { WithoutOverlays } from "./leaving.ts";
import { buildPaths, isBuildOf, type TreePaths, treePaths } from "./paths.ts";
import { sourceKey } from "./source.ts";

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
  const folder = posix.join(paths.builds, `${resource.name}-${shortRun(context.runId)}`);
  const supply = await provideSupply(resource, context);
  const filled = await context.effect("tree.build", { folder, tarball: supply.from }, () =>
    fill(resource, supply, folder, context),
  );
  const marker = await recordBuild(resource, folder, filled, context);
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

async function recordBuild(
  resource: TreeResource,
  folder: string,
  filled: Filled,
  context: ApplyContext,
): Promise<Marker> {
  const { files } = context.host;
  const { root, manifest, marker: path } = buildPaths(folder);
  const digest = await recordManifest(root, manifest, { leaveOut: [], originals: [] }, context);
  files.syncFilesystem(folder);
  const marker = newMarker(resource, root, digest, context);
  const told = { ...marker, details: { ...marker.details, ...filled } };
  writeMarker(files, path, told);
  return told;
}

/** Writes the manifest of a top and returns its digest. */
export async function recordManifest(
  root: string,
  manifest: string,
  { leaveOut, originals }: WithoutOverlays,
  context: ApplyContext,
): Promise<string> {
  const { files, jobs } = context.host;
  context.progress("recording what it holds");
  const recorded = await jobs.run(
    "record",
    { path: root, identity: files.filesystemIdentity(root), cache: context.cache, manifest, leaveOut, originals },
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
