import { posix } from "node:path";
import { RootloomError } from "../../../../core/error.ts";
import type { VolumeResource } from "../../../../core/resource.ts";
import { sizeText } from "../../../../core/size.ts";
import { readMarker } from "../../../marker.ts";
import { requireOwnership } from "../../owner.ts";
import { markTop, topEntries, volumeMarkerPath } from "../../top.ts";
import {
  type Device,
  type Looking,
  NO_DEVICE,
  type Obstacle,
  type VolumeBackend,
  type VolumeSubject,
  type Working,
} from "../backend.ts";
import { leftBeside, makeParent, missingParent, placeNew, removeMarkedLast, temporaryPath } from "../beside.ts";
import { markedSnapshots, snapshotFolder } from "../copies.ts";
import { observeDirectory } from "../directory.ts";
import { attachReadOnly, cloneFrom, removeSnapshot, snapshot, sweepReadings } from "./snapshots.ts";
import {
  deleteSubvolume,
  filesystemAt,
  hasQuotas,
  limitSubvolume,
  makeSubvolume,
  QUOTA_HINT,
  readSubvolume,
} from "./subvolume.ts";

/** A subvolume at the volume's path; its size is a quota, its snapshots are subvolumes in it. */
export const btrfsBackend: VolumeBackend = {
  name: "btrfs",
  mounts: false,
  shrinks: true,
  clonesHold: false,
  places: ({ path }) => [{ type: "path", value: path }],
  observe,
  obstacle,
  create,
  sweep,
  mark: (volume, working) => mark(volume, volume.path, working),
  resize: (volume, { host }) => limitSubvolume(host, volume, volume.size_bytes),
  relabel: () => unable("label"),
  requireRemovable: async () => undefined,
  destroy,
  attach: () => unable("mount"),
  remount: () => unable("mount"),
  detach: () => unable("unmount"),
  capabilities: async () => ({
    snapshots: "btrfs snapshot",
    clones: "btrfs snapshot",
    atomic: true,
    grows: true,
    note: "",
  }),
  snapshots: async (volume, looking) => markedSnapshots(snapshotFolder(volume), volume, looking),
  snapshot,
  removeSnapshot,
  cloneFrom: (origin, target, working) => cloneFrom(origin, target, working, finish),
  attachReadOnly,
};

async function observe(volume: VolumeSubject, looking: Looking): Promise<Device> {
  const found = observeDirectory(volume, looking);
  if (found.state === "absent") return found;
  const { files } = looking.host;
  const subvolume = await readSubvolume(looking.host, volume.path);
  if (subvolume === undefined) {
    const what = found.what === "" ? "no subvolume" : found.what;
    return { ...found, state: "foreign", what, unadoptable: `${volume.path} is no btrfs subvolume` };
  }
  const { uuid, limit_bytes, receivedFrom } = subvolume;
  const marker = readMarker(files, volumeMarkerPath(volume.path));
  const isMarked = marker !== undefined && marker !== "invalid" && marker.details.subvolume === uuid;
  const base: Device = { ...NO_DEVICE, identity: uuid, filesystem: "btrfs", size_bytes: limit_bytes };
  if (found.state === "ours" && isMarked) return { ...base, state: "ours" };
  const inherited =
    receivedFrom === "" ? "a copy: its marker names another object" : "received from another filesystem";
  return {
    ...base,
    state: "foreign",
    what: found.what === "" ? `a subvolume, ${inherited}` : found.what.replace(/^a directory/, "a subvolume"),
    about: [
      "type: btrfs subvolume",
      `uuid: ${uuid}`,
      ...(receivedFrom === "" ? [] : [`received from: ${receivedFrom}`]),
      ...(limit_bytes === undefined ? [] : [`size: ${sizeText(limit_bytes)}`]),
      `in it: ${topEntries(files, volume.path)}`,
    ],
  };
}

async function obstacle(volume: VolumeResource, looking: Looking): Promise<Obstacle | undefined> {
  const missing = missingParent(volume.path, looking);
  if (missing !== undefined) return missing;
  const { host } = looking;
  const parent = posix.dirname(volume.path);
  const type = filesystemAt(host, parent);
  if (type !== "btrfs")
    return {
      why: `${parent} is on ${type}, not on btrfs`,
      hint: "declare a `path:` on a btrfs filesystem",
      passing: true,
    };
  const isQuotaMissing = volume.size_bytes !== undefined && !(await hasQuotas(host, existing(host.files, parent)));
  if (!isQuotaMissing) return undefined;
  return { why: `quotas are not enabled on the filesystem of ${parent}`, hint: QUOTA_HINT, passing: false };
}

async function create(volume: VolumeResource, working: Working): Promise<void> {
  const temporary = temporaryPath(volume, volume.path, working);
  makeParent(volume, volume.path, working);
  await sweep(volume, working);
  await makeSubvolume(working.host, temporary);
  await finish(volume, temporary, working);
}

/** Gives a new subvolume its attributes, limit and marker, and its place once all of it is durable. */
async function finish(volume: VolumeResource, temporary: string, working: Working): Promise<void> {
  const { files } = working.host;
  files.setAttributes(temporary, { ...requireOwnership(files, volume), mode: volume.mode });
  await limitSubvolume(working.host, { name: volume.name, path: temporary }, volume.size_bytes);
  await mark(volume, temporary, working);
  files.syncFilesystem(temporary);
  placeNew(volume, temporary, volume.path, working);
}

async function sweep(volume: VolumeSubject, working: Working): Promise<void> {
  for (const path of leftBeside(volume, volume.path, working))
    if ((await readSubvolume(working.host, path)) !== undefined) await deleteSubvolume(working.host, path);
  await sweepReadings(volume, working);
}

async function mark(volume: VolumeSubject, path: string, working: Working): Promise<void> {
  const { uuid = "" } = (await readSubvolume(working.host, path)) ?? {};
  markTop(volume, working, { path, details: { subvolume: uuid } });
}

/** Its snapshots first; then all in it by the careful walk that refuses mounts, other volumes and other subvolumes. */
async function destroy(volume: VolumeSubject, working: Working): Promise<void> {
  for (const { name } of markedSnapshots(snapshotFolder(volume), volume, working))
    await removeSnapshot(volume, name, working);
  await removeMarkedLast(volume, working);
}

function existing(files: Looking["host"]["files"], path: string): string {
  return path === "/" || files.realPath(path) !== undefined ? path : existing(files, posix.dirname(path));
}

function unable(verb: string): Promise<never> {
  throw new RootloomError(`cannot ${verb} a subvolume: it is part of the filesystem that it stands on`, {
    hint: "use the loop backend for a filesystem of its own",
  });
}
