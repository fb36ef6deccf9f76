import { RootloomError } from "../../../../core/error.ts";
import type { VolumeResource } from "../../../../core/resource.ts";
import { unmountTree } from "../../../mount/unmount.ts";
import type { VolumeBackend, VolumeSubject, Working } from "../backend.ts";
import { growFilesystem, growUnmounted, labelFilesystem, probe } from "../filesystem.ts";
import { remountWith } from "../remount.ts";
import { attachReadOnly, cloneFrom } from "./clone.ts";
import { activate, groupOf, lvm, removeVolume, requireVolume } from "./commands.ts";
import { createLogicalVolume, filesystemOf, obstacle, sweepVolumes } from "./create.ts";
import { markVolume } from "./marker.ts";
import { observeLogicalVolume } from "./observe.ts";
import {
  capabilities,
  removeSnapshot,
  removeSnapshots,
  requireOwnSnapshots,
  snapshot,
  snapshotsOf,
} from "./snapshots.ts";

/** A logical volume with a filesystem, plain or in a thin pool. Its marker is a tag, keyed by its uuid. */
export const lvmBackend: VolumeBackend = {
  name: "lvm",
  mounts: true,
  shrinks: false,
  clonesHold: false,
  places: ({ device }) => [{ type: "volumeGroup", value: groupOf(device) }],
  observe: observeLogicalVolume,
  obstacle,
  create: createLogicalVolume,
  sweep: sweepVolumes,
  mark,
  resize,
  relabel,
  requireRemovable: requireOwnSnapshots,
  destroy,
  attach,
  remount: remountWith,
  detach: (_volume, entry, working) => unmountTree(working, entry, () => false),
  capabilities,
  snapshots: snapshotsOf,
  snapshot,
  removeSnapshot,
  cloneFrom,
  attachReadOnly,
};

async function mark(volume: VolumeResource, working: Working): Promise<void> {
  const found = await requireVolume(volume, working);
  await activate(found, working);
  const { type, uuid } = await probe(working.host, found.mapperPath);
  await markVolume(found, { filesystem: type, filesystemUuid: uuid, volume: volume.name }, working);
}

async function resize(volume: VolumeResource, working: Working): Promise<void> {
  const { host, signal } = working;
  const { size_bytes = 0, path: mountPoint } = volume;
  const found = await requireVolume(volume, working);
  const device = found.mapperPath;
  const type = filesystemOf(volume);
  if (found.size_bytes < size_bytes) await lvm(working, ["lvextend", "--size", `${size_bytes}b`, volume.device]);
  try {
    await growFilesystem(host, { device, type, mountPoint }, signal);
  } catch (thrown) {
    if (!(thrown instanceof RootloomError) || thrown.condition !== "NotOnline") throw thrown;
    const entry = host.files.mounts().find(({ source }) => source === device);
    if (entry !== undefined) await unmountTree(working, entry, () => false);
    await growUnmounted(host, device, signal);
    await attach(volume, working);
  }
  host.files.syncFilesystem(mountPoint);
}

async function relabel(volume: VolumeResource, working: Working): Promise<void> {
  const { mapperPath: device } = await requireVolume(volume, working);
  const { path: mountPoint, label = "" } = volume;
  await labelFilesystem(working.host, { device, type: filesystemOf(volume), mountPoint, label });
}

async function destroy(volume: VolumeSubject, working: Working): Promise<void> {
  await removeSnapshots(volume, working);
  await removeVolume(volume.device, working);
}

async function attach(volume: VolumeResource, working: Working): Promise<void> {
  const { host, signal } = working;
  const found = await requireVolume(volume, working);
  await activate(found, working);
  const { mountOptions, path } = volume;
  const options = mountOptions.length === 0 ? [] : ["--options", mountOptions.join(",")];
  const words = ["--types", filesystemOf(volume), ...options, "--", found.mapperPath, path];
  await host.processes.run({ file: "mount", arguments: words, hostNamespace: true, signal });
}
