import { posix } from "node:path";
import type { VolumeResource } from "../../../../core/resource.ts";
import { OWN_FOLDER } from "../../../marker.ts";
import { removeDirectory } from "../../../remove.ts";
import type { Attachment, Means, Snapshot, VolumeSubject, Working } from "../backend.ts";
import { leftBeside, makeParent, temporaryPath } from "../beside.ts";
import {
  copyContent,
  leftReadings,
  leftSnapshots,
  markedSnapshots,
  markSnapshot,
  READING,
  requireSnapshot,
  snapshotFolder,
  snapshotPath,
} from "../copies.ts";
import { readAt } from "../directory.ts";
import { checkSnapshotName, temporaryName } from "../temporary.ts";
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
    await deleteSubvolume(host, path);
  }
  if (host.files.stat(`${path}.json`) !== undefined) host.files.removeFile(`${path}.json`);
}

type Finish = (volume: VolumeResource, temporary: string, working: Working) => Promise<void>;

/** A writable snapshot of the snapshot; on another filesystem a copy. */
export async function cloneFrom(
  { origin, name, target }: { readonly origin: VolumeSubject; readonly name: string; readonly target: VolumeResource },
  working: Working,
  finish: Finish,
): Promise<Means> {
  const { host } = working;
  requireSnapshot(markedSnapshots(snapshotFolder(origin), origin, working), origin, name);
  const from = snapshotPath(origin, name);
  makeParent(target, target.path, working);
  for (const path of leftBeside(target, target.path, working))
    if ((await readSubvolume(host, path)) !== undefined) await deleteSubvolume(host, path);
  const temporary = temporaryPath(target, target.path, working);
  const isNear = filesystemOf(working, from) === filesystemOf(working, posix.dirname(target.path));
  if (isNear) {
    await snapshotSubvolume(host, from, { to: temporary, isReadOnly: false });
    // The origin's notes mean the origin.
    await removeDirectory(host, posix.join(temporary, OWN_FOLDER));
  } else {
    await makeSubvolume(host, temporary);
    await copyContent(from, temporary, working);
  }
  await finish(target, temporary, working);
  return isNear ? "btrfs snapshot" : "copy";
}

/** A live volume is read from a snapshot of this moment, which goes when it was read. */
export async function attachReadOnly(
  volume: VolumeSubject,
  name: string | undefined,
  working: Working,
): Promise<Attachment> {
  if (name !== undefined) return readAt(volume, name, working);
  const reading = temporaryName(READING, working, "");
  for (const left of leftReadings(markedSnapshots(snapshotFolder(volume), volume, working), working))
    await removeSnapshot(volume, left.name, working);
  await snapshot(volume, reading, working);
  const detach = () => removeSnapshot(volume, reading, working);
  return {
    path: snapshotPath(volume, reading),
    means: "read from a btrfs snapshot of this moment",
    frozen: true,
    detach,
  };
}

/** `uuid:FILESYSTEM` without the subvolume. */
function filesystemOf({ host }: Working, path: string): string {
  return host.files.filesystemIdentity(path).split(":").slice(0, 2).join(":");
}
