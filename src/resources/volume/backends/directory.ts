import { posix } from "node:path";
import { RootloomError } from "../../../core/error.ts";
import type { VolumeResource } from "../../../core/resource.ts";
import { OWN_FOLDER } from "../../marker.ts";
import { removeDirectory } from "../../remove.ts";
import { requireOwnership } from "../owner.ts";
import { markTop, standing, topEntries } from "../top.ts";
import {
  type Attachment,
  type Capabilities,
  type CloneOrigin,
  type Device,
  type Looking,
  type Means,
  NO_DEVICE,
  type Snapshot,
  type VolumeBackend,
  type VolumeSubject,
  type Working,
} from "./backend.ts";
import { leftBeside, makeParent, missingParent, placeNew, removeMarkedLast, temporaryPath } from "./beside.ts";
import {
  copyContent,
  leftSnapshots,
  markedSnapshots,
  markSnapshot,
  noteClone,
  removeCopy,
  requireSnapshot,
  snapshotFolder,
  snapshotPath,
} from "./copies.ts";
import { mountedFrom, requireNotMounted } from "./in-use.ts";
import { sharesBlocks } from "./reflink.ts";
import { checkSnapshotName, temporaryName } from "./temporary.ts";

/** A plain directory: its marker in it is its device's too. Snapshots and clones are copies, by reflink where that works. */
export const directoryBackend: VolumeBackend = {
  name: "directory",
  mounts: false,
  shrinks: false,
  clonesHold: false,
  places: ({ path }) => [{ type: "path", value: path }],
  observe: async (volume, looking) => observeDirectory(volume, looking),
  obstacle: async ({ path }, looking) => missingParent(path, looking),
  create,
  sweep: async (volume, working) => sweep(volume, working),
  mark: async (volume, working) => markTop(volume, working, { path: volume.path, details: { adopted: true } }),
  resize: () => unable("resize"),
  relabel: () => unable("label"),
  requireRemovable: async () => undefined,
  destroy: removeMarkedLast,
  attach: () => unable("mount"),
  remount: () => unable("mount"),
  detach: () => unable("unmount"),
  capabilities,
  snapshots: async (volume, looking) => markedSnapshots(snapshotFolder(volume), volume, looking),
  snapshot,
  removeSnapshot,
  cloneFrom,
  attachReadOnly: async (volume, name, working) => readAt(volume, name, working),
};

/** A directory as a device: its marker says whose it is. */
export function observeDirectory(volume: VolumeSubject, looking: Looking): Device {
  const { files } = looking.host;
  const { state, what, type, inode } = standing(volume.path, volume.name, looking, files);
  if (state === "absent") return NO_DEVICE;
  const identity = type === "directory" ? `${files.filesystemIdentity(volume.path)} ${inode}` : "";
  if (state === "ours") return { ...NO_DEVICE, state, identity };
  const unadoptable = type === "directory" ? "" : `${volume.path} is no directory`;
  const about = type === "directory" ? [`type: directory`, `in it: ${topEntries(files, volume.path)}`] : [];
  return { ...NO_DEVICE, state, what, unadoptable, about, identity };
}

async function create(volume: VolumeResource, working: Working): Promise<void> {
  const { files } = working.host;
  const temporary = temporaryPath(volume, volume.path, working);
  makeParent(volume, volume.path, working);
  sweep(volume, working);
  files.makeDirectory(temporary, { ...requireOwnership(files, volume), mode: volume.mode });
  markTop(volume, working, { path: temporary });
  files.syncFilesystem(temporary);
  placeNew(volume, temporary, volume.path, working);
}

/** Removes directories that hold nothing but our own folder, or are half a copy of ours. */
function sweep(volume: VolumeSubject, working: Working): void {
  const { files } = working.host;
  for (const path of leftBeside(volume, volume.path, working)) {
    const stat = files.stat(path);
    if (stat?.type === "directory") files.removeTree(path, stat.inode);
  }
}

async function capabilities({ path }: VolumeSubject, { host }: Looking): Promise<Capabilities> {
  const shares = await sharesBlocks(host, path);
  const means: Means = shares ? "reflink copy" : "copy";
  const note = shares ? "" : "its filesystem shares no blocks: a snapshot takes as much room as what is in it";
  return { snapshots: means, clones: means, atomic: false, grows: false, note };
}

async function snapshot(volume: VolumeSubject, name: string, working: Working): Promise<Snapshot> {
  checkSnapshotName(name);
  const { files } = working.host;
  const folder = snapshotFolder(volume);
  const there = () => markedSnapshots(folder, volume, working);
  const done = there().find((each) => each.name === name);
  if (done !== undefined) return done;
  files.makeDirectories(folder, 0o700);
  const temporary = posix.join(folder, temporaryName({ name }, working));
  for (const left of leftSnapshots(folder, working)) await removeDirectory(working.host, left);
  files.makeDirectory(temporary, { owner: 0, group: 0, mode: 0o700 });
  await copyContent(volume.path, temporary, working);
  files.syncFilesystem(temporary);
  // Named last: without a snapshot of its name, a marker means nothing.
  markSnapshot(volume, { name, path: temporary, marker: `${snapshotPath(volume, name)}.json` }, working);
  files.rename(temporary, snapshotPath(volume, name));
  return requireSnapshot(there(), volume, name);
}

async function removeSnapshot(volume: VolumeSubject, name: string, working: Working): Promise<void> {
  const { files } = working.host;
  const path = snapshotPath(volume, name);
  if (files.stat(path) !== undefined) {
    requireSnapshot(markedSnapshots(snapshotFolder(volume), volume, working), volume, name);
    requireNotMounted(volume, name, mountedFrom(files, path));
    await removeCopy(path, working);
  }
  if (files.stat(`${path}.json`) !== undefined) files.removeFile(`${path}.json`);
}

async function cloneFrom(origin: CloneOrigin, target: VolumeResource, working: Working): Promise<Means> {
  const { files } = working.host;
  const { volume, snapshot: name } = origin;
  requireSnapshot(markedSnapshots(snapshotFolder(volume), volume, working), volume, name);
  const temporary = temporaryPath(target, target.path, working);
  makeParent(target, target.path, working);
  sweep(target, working);
  files.makeDirectory(temporary, { owner: 0, group: 0, mode: 0o700 });
  await copyContent(snapshotPath(volume, name), temporary, working);
  noteClone(origin, temporary, working);
  files.setAttributes(temporary, { ...requireOwnership(files, target), mode: target.mode });
  markTop(target, working, { path: temporary });
  files.syncFilesystem(temporary);
  placeNew(target, temporary, target.path, working);
  return (await sharesBlocks(working.host, target.path)) ? "reflink copy" : "copy";
}

/** What stands at a path of its own is read where it is. */
export function readAt(volume: VolumeSubject, name: string | undefined, working: Working): Attachment {
  const detach = async () => undefined;
  if (name === undefined) return { path: volume.path, means: "read from the volume itself", frozen: false, detach };
  requireSnapshot(markedSnapshots(snapshotFolder(volume), volume, working), volume, name);
  return { path: snapshotPath(volume, name), means: `read from snapshot ${name}`, frozen: true, detach };
}

function unable(verb: string): Promise<never> {
  throw new RootloomError(`cannot ${verb} a directory: it is part of the filesystem that it stands on`, {
    hint: `the volume's own notes are in ${OWN_FOLDER}`,
  });
}
