import { RootloomError } from "../../../../core/error.ts";
import type { VolumeResource } from "../../../../core/resource.ts";
import type { MountEntry } from "../../../../host/ports.ts";
import { unmountTree } from "../../../mount/unmount.ts";
import { withSpace } from "../../../space.ts";
import type { Looking, Obstacle, VolumeBackend, VolumeSubject, Working } from "../backend.ts";
import { makeParent, missingParent, temporaryPath } from "../beside.ts";
import { growFilesystem, growUnmounted, labelFilesystem, makeFilesystem } from "../filesystem.ts";
import { tooSmall } from "../minimum.ts";
import { remountWith } from "../remount.ts";
import { loopsOf, releaseLoops, requireLoop } from "./devices.ts";
import { imageMarkerPath, markImage, observeImage } from "./image.ts";
import { place, sweep } from "./place.ts";
import {
  attachReadOnly,
  capabilities,
  cloneFrom,
  imageSnapshots,
  removeSnapshot,
  snapshot,
  snapshotsOf,
  sweepReadings,
} from "./snapshots.ts";

/** A filesystem in a sparse image file, mounted through a loop device that goes with its mount. */
export const loopBackend: VolumeBackend = {
  name: "loop",
  mounts: true,
  shrinks: false,
  clonesHold: false,
  places: ({ device }) => [{ type: "path", value: device }],
  observe: observeImage,
  obstacle,
  create,
  sweep: async (volume, working) => {
    sweep(volume, working);
    await sweepReadings(volume, working);
  },
  mark: (volume, working) => markImage(volume, working, { path: volume.device, adopted: true }),
  resize,
  relabel,
  requireRemovable: async () => undefined,
  destroy,
  attach,
  remount: remountWith,
  detach,
  capabilities,
  snapshots: async (volume, looking) => snapshotsOf(volume, looking),
  snapshot,
  removeSnapshot,
  cloneFrom,
  attachReadOnly,
};

async function obstacle(volume: VolumeResource, looking: Looking): Promise<Obstacle | undefined> {
  return missingParent(volume.device, looking) ?? tooSmall(volume);
}

async function create(volume: VolumeResource, working: Working): Promise<void> {
  const { host, signal } = working;
  const temporary = temporaryPath(volume, volume.device, working);
  makeParent(volume, volume.device, working);
  sweep(volume, working);
  await withRoom(volume, 0, working, async () => {
    host.files.openWriter(temporary, 0o600).close();
    await setSize(volume, temporary, working);
    await makeFilesystem(host, { device: temporary, type: filesystemOf(volume), label: volume.label }, signal);
    await place(volume, temporary, working);
  });
}

/** An image takes room as it fills: what is larger than all that is free would fail in the middle of somebody's work. */
function withRoom<T>(volume: VolumeResource, has_bytes: number, working: Working, run: () => Promise<T>): Promise<T> {
  const needed_bytes = (volume.size_bytes ?? 0) - has_bytes;
  const what = `${has_bytes === 0 ? "make" : "grow"} volume ${volume.name}`;
  return withSpace(working, { path: volume.device, needed_bytes, what }, run);
}

function filesystemOf({ filesystem }: VolumeResource): string {
  return filesystem ?? "ext4";
}

async function setSize(volume: VolumeResource, image: string, { host }: Working): Promise<void> {
  if (volume.size_bytes === undefined)
    throw new RootloomError(`cannot make volume ${volume.name}: it has no size`, { hint: "add `size:`" });
  await host.processes.run({ file: "truncate", arguments: [`--size=${volume.size_bytes}`, "--", image] });
}

async function resize(volume: VolumeResource, working: Working): Promise<void> {
  const { host, signal } = working;
  const device = await requireLoop(host, volume.device);
  const type = filesystemOf(volume);
  const has_bytes = host.files.stat(volume.device)?.size ?? 0;
  if (has_bytes < (volume.size_bytes ?? 0))
    await withRoom(volume, has_bytes, working, () => setSize(volume, volume.device, working));
  await host.processes.run({ file: "losetup", arguments: ["--set-capacity", device], hostNamespace: true });
  try {
    await growFilesystem(host, { device, type, mountPoint: volume.path }, signal);
  } catch (thrown) {
    if (!(thrown instanceof RootloomError) || thrown.condition !== "NotOnline") throw thrown;
    const entry = host.files.mounts().find(({ source }) => source === device);
    if (entry !== undefined) await detach(volume, entry, working);
    await growUnmounted(host, volume.device, signal);
    await attach(volume, working);
  }
  host.files.syncFilesystem(volume.path);
}

async function relabel(volume: VolumeResource, { host }: Working): Promise<void> {
  const { device: image, path: mountPoint, label = "" } = volume;
  const device = await requireLoop(host, image);
  await labelFilesystem(host, { device, type: filesystemOf(volume), mountPoint, label });
}

async function destroy(volume: VolumeSubject, { host }: Working): Promise<void> {
  const { files, jobs } = host;
  await releaseLoops(host, volume.device);
  const folder = imageSnapshots(volume);
  const inode = files.stat(folder)?.inode;
  if (inode !== undefined) await jobs.run("remove", { path: folder, inode });
  for (const path of [volume.device, imageMarkerPath(volume.device)])
    if (files.stat(path) !== undefined) files.removeFile(path);
}

async function attach(volume: VolumeResource, { host, signal }: Working): Promise<void> {
  if ((await loopsOf(host, volume.device)).length > 1) await requireLoop(host, volume.device);
  const options = ["loop", ...volume.mountOptions].join(",");
  const words = ["--types", filesystemOf(volume), "--options", options, "--", volume.device, volume.path];
  await host.processes.run({ file: "mount", arguments: words, hostNamespace: true, signal });
  // Else each block is cached twice. Not every filesystem below can; then it stays as it is.
  const [device] = await loopsOf(host, volume.device);
  const direct = ["--direct-io=on", device ?? ""];
  if (device !== undefined)
    await host.processes.run({ file: "losetup", arguments: direct, hostNamespace: true, accept: [0, 1] });
}

async function detach(volume: VolumeSubject, entry: MountEntry, { host, signal }: Working): Promise<void> {
  await unmountTree({ host, signal }, entry, () => false);
  await releaseLoops(host, volume.device);
}
