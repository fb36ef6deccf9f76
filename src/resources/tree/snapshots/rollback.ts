import { posix } from "node:path";
import { RootloomError } from "../../../core/error.ts";
import type { TreeResource } from "../../../core/resource.ts";
import { hashCachePath } from "../../../pack/hash-cache.ts";
import { identityOf, type Marker, readMarker, writeMarker } from "../../marker.ts";
import { shortRun } from "../../owned.ts";
import type { ApplyContext, Outcome } from "../../types.ts";
import type { Attachment } from "../../volume/backends/backend.ts";
import { backendOf } from "../../volume/backends/index.ts";
import { requireOurs } from "../apply.ts";
import { makeOwnFolders, sweepBuilds } from "../build.ts";
import type { Built } from "../built.ts";
import { copyTop } from "../clone.ts";
import { requireOnlyOwnMounts } from "../inside.ts";
import { looksLikeRoot } from "../looks.ts";
import { outcome } from "../outcome.ts";
import { buildPaths, treePaths } from "../paths.ts";
import { swap } from "../swap.ts";
import { type RootSnapshot, topIn, volumeOf } from "./list.ts";

/** @throws RootloomError for a root that has no place of its own to be swapped in. */
export function requireSwappable(tree: TreeResource): void {
  if (tree.path !== tree.volumePath) return;
  throw new RootloomError(`cannot roll back tree ${tree.name}: ${tree.path} is the top of its volume`, {
    hint: "only a root in a folder of its volume can be swapped: declare `path:`; files can be copied out of the snapshot",
  });
}

/**
 * Makes a copy of a snapshot's root beside the present one and swaps the two, as a replacement does: the present one is
 * kept, and every snapshot stays. What is mounted in it has been unmounted before.
 */
export async function rollBack(tree: TreeResource, snapshot: RootSnapshot, context: ApplyContext): Promise<Outcome> {
  requireSwappable(tree);
  requireOurs(tree, context, "roll back");
  const attachment = await attach(tree, snapshot, context);
  const built = await buildFrom(tree, snapshot, attachment.path, context).finally(() => attachment.detach());
  requireOurs(tree, context, "roll back");
  requireOnlyOwnMounts(tree, context, "roll back");
  const kept = await swap(tree, built, context);
  dropHashes(tree, context);
  const result = `rolled back to ${snapshot.name}`;
  return { ...outcome(tree, built.marker, context, result), notes: [`the root that gave way is kept at ${kept}`] };
}

async function attach(
  tree: TreeResource,
  { name, copy }: RootSnapshot,
  context: ApplyContext,
): Promise<Pick<Attachment, "path" | "detach">> {
  if (copy !== undefined) return { path: copy, detach: async () => undefined };
  const volume = volumeOf(tree, context);
  return backendOf(volume).attachReadOnly(volume, name, context);
}

/** The new top with the marker, the manifest, the list of laid files and the steps that it had when the snapshot was taken. */
async function buildFrom(
  tree: TreeResource,
  snapshot: RootSnapshot,
  volume: string,
  context: ApplyContext,
): Promise<Built> {
  const { host } = context;
  const from = topIn(tree, volume);
  const was = markerIn(tree, snapshot, volume, context);
  const paths = treePaths(tree.volumePath, tree.name);
  makeOwnFolders(paths, host.files);
  await sweepBuilds(paths, tree.name, undefined, host);
  const folder = posix.join(paths.builds, `${tree.name}-${shortRun(context.runId)}`);
  const marker = await context.effect(
    "tree.build",
    { folder, path: tree.path, snapshot: snapshot.name },
    async (): Promise<Marker> => {
      host.files.makeDirectory(folder, { owner: 0, group: 0, mode: 0o700 });
      const { root } = buildPaths(folder);
      host.files.makeDirectory(root, { owner: 0, group: 0, mode: 0o755 });
      context.progress(`copying ${snapshot.name}`);
      await copyTop(from, root, context).catch((thrown) => {
        if (!context.signal.aborted) host.files.removeTree(folder, host.files.stat(folder)?.inode ?? 0);
        throw thrown;
      });
      return finishBuild(tree, { snapshot, was, volume, folder }, context);
    },
  );
  return { folder, marker, source: marker.inputs.source ?? "" };
}

function finishBuild(
  tree: TreeResource,
  given: {
    readonly snapshot: RootSnapshot;
    readonly was: Marker;
    readonly volume: string;
    readonly folder: string;
  },
  { host: { files }, runId }: ApplyContext,
): Marker {
  const { snapshot, was, volume, folder } = given;
  const parts = buildPaths(folder);
  const then = treePaths(volume, tree.name);
  if (files.stat(then.manifest) !== undefined) files.copyFile(then.manifest, parts.manifest);
  const identity = identityOf(files, parts.root);
  for (const part of ["laid", "provision"] as const) {
    const text = files.readText(then[part]);
    // Each is about one top by its identity: the copy is another.
    if (text !== undefined)
      files.writeFile(parts[part], JSON.stringify({ ...JSON.parse(text), identity }), {
        owner: 0,
        group: 0,
        mode: 0o600,
      });
  }
  files.syncFilesystem(folder);
  const marker = { ...was, identity, runId, details: { ...was.details, snapshot: snapshot.name } };
  writeMarker(files, parts.marker, marker);
  return marker;
}

function markerIn(tree: TreeResource, { name }: RootSnapshot, volume: string, context: ApplyContext): Marker {
  const { files } = context.host;
  const refuse = (why: string) =>
    new RootloomError(`cannot roll back tree ${tree.name} to ${name}: ${why}`, {
      hint: `see the others: rootloom snapshots ${tree.name}`,
    });
  if (!looksLikeRoot(topIn(tree, volume), files)) throw refuse("there is no root in it");
  const marker = readMarker(files, treePaths(volume, tree.name).marker);
  if (marker === undefined || marker === "invalid" || marker.kind !== "tree" || marker.instance !== context.instance)
    throw refuse("the root in it is not marked as ours");
  return marker;
}

/** Inodes and times of other contents may come again: hashes of this filesystem are computed anew. */
function dropHashes(tree: TreeResource, { host: { files }, cache }: ApplyContext): void {
  const path = hashCachePath(cache, files.filesystemIdentity(tree.path));
  if (files.stat(path) !== undefined) files.removeFile(path);
}
