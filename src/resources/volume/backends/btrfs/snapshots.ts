import { posix } from "node:path";
import type { VolumeResource } from "../../../../core/resource.ts";
import { OWN_FOLDER } from "../../../marker.ts";
import { removeDirectory } from "../../../remove.ts";
import type { Attachment, CloneOrigin, Means, Snapshot, VolumeSubject, Working } from "../backend.ts";
import { leftBeside, makeParent, temporaryPath } from "../beside.ts";
import {
  copyContent,
  leftReadings,
  leftSnapshots,
  markedSnapshots,
  markSnapshot,
  noteClone,
  requireSnapshot,
  snapshotFolder,
  snapshotPath,
} from "../copies.ts";
import { readAt } from "../directory.ts";
import { mountedFrom, requireNotMounted } from "../in-use.ts";
import { onOneFilesystem } from "../reflink.ts";
import { checkSnapshotName, readingName, temporaryName } from "../temporary.ts";
import { deleteSubvolume, makeSubvolume, readSubvolume, snapshotSubvolume } from "./subvolume.ts";

/** A read-only subvolume in the volume, which is no part of later snapshots. */
export async function snapshot(volume: VolumeSubject, name: string, working: Working): Promise<Snapshot> {
  checkSnapshotName(name);
  const { host } = working;
  const folder = snapshotFolder(volume);
  const there = markedSnapshots(folder, volume, working).find((each) => each.name === name);
  if (there !== undefined) return there;
  host.files.makeDirectories(folder, 0o700);
  for (const path of leftSnapshots(folder, working))
    if ((await readSubvolume(host, path)) !== undefined) await deleteSubvolume(host, path);
  const temporary = posix.join(folder, temporaryName({ name }, working));
  await snapshotSubvolume(host, volume.path, { to: temporary, isReadOnly: true });
  markSnapshot(volume, { name, path: temporary, marker: `${snapshotPath(volume, name)}.json` }, working);
  host.files.syncFilesystem(folder);
  host.files.rename(temporary, snapshotPath(volume, name));
  return requireSnapshot(markedSnapshots(folder, volume, working), volume, name);
}

export async function removeSnapshot(volume: VolumeSubject, name: string, working: Working): Promise<void> {
  const { host } = working;
  const path = snapshotPath(volume, name);
  if (host.files.stat(path) !== undefined) {
    requireSnapshot(markedSnapshots(snapshotFolder(volume), volume, working), volume, name);
    requireNotMounted(volume, name, mountedFrom(host.files, path));
    await deleteSubvolume(host, path);
  }
  if (host.files.stat(`${path}.json`) !== undefined) host.files.removeFile(`${path}.json`);
}

type Finish = (volume: VolumeResource, temporary: string, working: Working) => Promise<void>;

/** A writable snapshot of the snapshot; on another filesystem a copy. */
export async function cloneFrom(
  origin: CloneOrigin,
  target: VolumeResource,
  working: Working,
  finish: Finish,
): Promise<Means> {
  const { host } = working;
  const { volume, snapshot: name } = origin;
  requireSnapshot(markedSnapshots(snapshotFolder(volume), volume, working), volume, name);
  const from = snapshotPath(volume, name);
  makeParent(target, target.path, working);
  for (const path of leftBeside(target, target.path, working))
    if ((await readSubvolume(host, path)) !== undefined) await deleteSubvolume(host, path);
  const temporary = temporaryPath(target, target.path, working);
  const isNear = onOneFilesystem(host, from, posix.dirname(target.path));
  if (isNear) {
    await snapshotSubvolume(host, from, { to: temporary, isReadOnly: false });
    // The origin's notes mean the origin.
    removeStubs(temporary, working);
    await removeDirectory(host, posix.join(temporary, OWN_FOLDER));
  } else {
    await makeSubvolume(host, temporary);
    await copyContent(from, temporary, working);
  }
  noteClone(origin, temporary, working);
  await finish(target, temporary, working);
  return isNear ? "btrfs snapshot" : "copy";
}

/** What the kernel shows in a snapshot for a subvolume of its origin: an empty directory that looks like a mount point. */
const STUB_INODE = 2;

/** Removes what stands in a clone for the snapshots of its origin. */
function removeStubs(clone: string, { host: { files } }: Working): void {
  const folder = snapshotFolder({ path: clone });
  for (const path of (files.list(folder) ?? []).map((name) => posix.join(folder, name)))
    if (files.stat(path)?.inode === STUB_INODE) files.removeDirectory(path);
}

/** Removes what killed readings left. */
export async function sweepReadings(volume: VolumeSubject, working: Working): Promise<void> {
  for (const left of leftReadings(markedSnapshots(snapshotFolder(volume), volume, working), working))
    await removeSnapshot(volume, left.name, working);
}

/** A live volume is read from a snapshot of this moment, which goes when it was read. */
export async function attachReadOnly(
  volume: VolumeSubject,
  name: string | undefined,
  working: Working,
): Promise<Attachment> {
  if (name !== undefined) return readAt(volume, name, working);
  await sweepReadings(volume, working);
  const reading = readingName(working, { start: "" });
  await snapshot(volume, reading, working);
  const detach = () => removeSnapshot(volume, reading, working);
  return {
    path: snapshotPath(volume, reading),
    means: "read from a btrfs snapshot of this moment",
    frozen: true,
    detach,
  };
}
