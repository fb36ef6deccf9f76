import { posix } from "node:path";
import { RootloomError } from "../../../core/error.ts";
import { takeLease } from "../../lease.ts";
import { identityOf, writeMarker } from "../../marker.ts";
import { removeDirectory } from "../../remove.ts";
import type { ApplyContext } from "../../types.ts";
import type { Means, VolumeSubject } from "../../volume/backends/backend.ts";
import { leftSnapshots } from "../../volume/backends/copies.ts";
import { backendOf } from "../../volume/backends/index.ts";
import { temporaryName } from "../../volume/backends/temporary.ts";
import { makeOwnFolders } from "../build.ts";
import { copyTop } from "../clone.ts";
import { treePaths } from "../paths.ts";
import { listSnapshots, type RootSnapshot, type SnapshotSubject, strayNotes, topIn, volumeOf } from "./list.ts";
import { snapshotName } from "./name.ts";

/** Why a snapshot is taken, kept in its note. */
export interface Occasion {
  readonly reason: string;
  readonly note: string;
  readonly who: string;
  /** The caller holds the root's lease alone: nobody else is in it. */
  readonly alone: boolean;
}

/**
 * Takes a snapshot of a root: the backend's own of its volume where that is of one moment, else a copy of the root
 * beside it on the volume, which shares its blocks where the filesystem can. Nobody may be in a root that is copied.
 */
export async function takeSnapshot(
  tree: SnapshotSubject,
  occasion: Occasion,
  context: ApplyContext,
): Promise<RootSnapshot> {
  const volume = volumeOf(tree, context);
  const name = snapshotName(tree.name, context);
  const { atomic, snapshots } = await backendOf(volume).capabilities(volume, context);
  const native = atomic ? snapshots : undefined;
  sweepNotes(tree, await listSnapshots(tree, context), context);
  await context.effect("tree.snapshot", { path: tree.path, volume: volume.name, name }, () =>
    native === undefined
      ? copyRoot(tree, volume, { name, ...occasion }, context)
      : takeNative(tree, volume, { name, means: native, ...occasion }, context),
  );
  const taken = (await listSnapshots(tree, context)).find((each) => each.name === name);
  if (taken !== undefined) return taken;
  throw new RootloomError(`cannot take a snapshot of tree ${tree.name}: it was made, and is not there`);
}

interface Noted extends Occasion {
  readonly name: string;
  readonly means: Means;
}

/** The note first: one without a snapshot means nothing, and goes with the next. */
async function takeNative(
  tree: SnapshotSubject,
  volume: VolumeSubject,
  noted: Noted,
  context: ApplyContext,
): Promise<void> {
  const folder = makeFolder(tree, context);
  note(volume, noted, { file: posix.join(folder, `${noted.name}.json`), of: tree.volumePath }, context);
  await backendOf(volume).snapshot(volume, noted.name, context);
}

/** Laid out as the volume is: the root where it stands, what we know of it where our own notes are. */
async function copyRoot(
  tree: SnapshotSubject,
  volume: VolumeSubject,
  named: Omit<Noted, "means">,
  context: ApplyContext,
): Promise<void> {
  const { host, state } = context;
  const { files } = host;
  const folder = makeFolder(tree, context);
  for (const left of leftSnapshots(folder, context)) await removeDirectory(host, left);
  const lease = named.alone ? undefined : await takeLease(host, state, tree.name, "shared");
  if (lease !== undefined && "holders" in lease)
    throw new RootloomError(`cannot copy tree ${tree.name}: ${lease.holders} is in it`, {
      hint: "the snapshot is taken when they have left it",
      retry: "waiting",
      condition: "RootInUse",
    });
  try {
    const temporary = posix.join(folder, temporaryName(named, context));
    const top = topIn(tree, temporary);
    files.makeDirectory(temporary, { owner: 0, group: 0, mode: 0o700 });
    if (top !== temporary) files.makeDirectories(top, 0o755);
    context.progress(`copying ${tree.name}`);
    const copied = await copyTop(tree.path, top, context);
    copyNotes(tree, temporary, context);
    files.syncFilesystem(temporary);
    const path = posix.join(folder, named.name);
    const means = copied === "reflink" ? "reflink copy" : "copy";
    note(volume, { ...named, means }, { file: `${path}.json`, of: temporary }, context);
    files.rename(temporary, path);
  } finally {
    lease?.release();
  }
}

function copyNotes(tree: SnapshotSubject, to: string, { host: { files } }: ApplyContext): void {
  const from = treePaths(tree.volumePath, tree.name);
  const into = treePaths(to, tree.name);
  files.makeDirectories(into.trees, 0o700);
  for (const part of ["marker", "manifest", "laid", "provision"] as const)
    if (files.stat(from[part]) !== undefined) files.copyFile(from[part], into[part]);
}

function makeFolder(tree: SnapshotSubject, { host }: ApplyContext): string {
  const paths = treePaths(tree.volumePath, tree.name);
  makeOwnFolders(paths, host.files);
  host.files.makeDirectories(paths.snapshots, 0o700);
  return paths.snapshots;
}

function sweepNotes(tree: SnapshotSubject, found: readonly RootSnapshot[], context: ApplyContext): void {
  for (const path of strayNotes(tree, found, context)) context.host.files.removeFile(path);
}

function note(
  volume: VolumeSubject,
  noted: Noted,
  { file, of }: { readonly file: string; readonly of: string },
  { host, instance, runId, revision }: ApplyContext,
): void {
  const { name, alone: _, ...told } = noted;
  writeMarker(host.files, file, {
    version: 1,
    instance,
    kind: "snapshot",
    name,
    identity: identityOf(host.files, of),
    runId,
    createdAt: new Date(host.clock.now_ms()).toISOString(),
    inputs: {},
    details: { volume: volume.name, revision, ...told },
  });
}
