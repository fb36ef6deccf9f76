import { posix } from "node:path";
import { RootloomError } from "../../../../core/error.ts";
import type { VolumeResource } from "../../../../core/resource.ts";
import type {
  Attachment,
  Capabilities,
  CloneOrigin,
  Looking,
  Means,
  Snapshot,
  VolumeSubject,
  Working,
} from "../backend.ts";
import { makeParent, temporaryPath } from "../beside.ts";
import { leftReadings, leftSnapshots, markedSnapshots, markSnapshot, requireSnapshot } from "../copies.ts";
import { giveNewUuid, probe, readOnlyOptions } from "../filesystem.ts";
import { requireNotMounted } from "../in-use.ts";
import { settlePrivately } from "../private-mount.ts";
import { attachAt, sweepAttached } from "../read-only.ts";
import { sharesBlocks } from "../reflink.ts";
import { checkSnapshotName, readingName, temporaryName } from "../temporary.ts";
import { loopsOf } from "./devices.ts";
import { place, sweep } from "./place.ts";

/** `IMAGE.snapshots/`: images that share their blocks with it. */
export function imageSnapshots({ device }: Pick<VolumeSubject, "device">): string {
  return `${device}.snapshots`;
}

export function snapshotsOf(volume: VolumeSubject, looking: Looking): readonly Snapshot[] {
  return markedSnapshots(imageSnapshots(volume), volume, looking);
}

export async function capabilities(volume: VolumeSubject, { host }: Looking): Promise<Capabilities> {
  const note = await whyNoSnapshots(volume, host);
  const means = note === "" ? "reflink copy" : undefined;
  return { snapshots: means, clones: means, atomic: true, grows: true, note };
}

/** A reflink copy of the image at one moment, whose journal is then replayed in the copy. */
export async function snapshot(volume: VolumeSubject, name: string, working: Working): Promise<Snapshot> {
  checkSnapshotName(name);
  const { host } = working;
  const { files } = host;
  const there = snapshotsOf(volume, working).find((each) => each.name === name);
  if (there !== undefined) return there;
  const note = await whyNoSnapshots(volume, host);
  if (note !== "")
    throw new RootloomError(`cannot take a snapshot of volume ${volume.name}: ${note}`, {
      hint: "keep the image on xfs (reflink=1) or btrfs, or use another backend",
    });
  const folder = imageSnapshots(volume);
  files.makeDirectories(folder, 0o700);
  for (const left of leftSnapshots(folder, working)) files.removeFile(left);
  const temporary = posix.join(folder, temporaryName({ name }, working));
  await copyImage(volume, temporary, working);
  const path = posix.join(folder, name);
  markSnapshot(volume, { name, path: temporary, marker: `${path}.json` }, working);
  files.rename(temporary, path);
  return requireSnapshot(snapshotsOf(volume, working), volume, name);
}

export async function removeSnapshot(volume: VolumeSubject, name: string, working: Working): Promise<void> {
  const { files } = working.host;
  const path = posix.join(imageSnapshots(volume), name);
  if (files.stat(path) !== undefined) {
    requireSnapshot(snapshotsOf(volume, working), volume, name);
    await sweepAttached(volume, working);
    const devices = await loopsOf(working.host, path);
    requireNotMounted(
      volume,
      name,
      files.mounts().find(({ source }) => devices.includes(source)),
    );
    files.removeFile(path);
  }
  if (files.stat(`${path}.json`) !== undefined) files.removeFile(`${path}.json`);
}

export async function cloneFrom(origin: CloneOrigin, target: VolumeResource, working: Working): Promise<Means> {
  const { host } = working;
  const { volume, snapshot: name, note } = origin;
  requireSnapshot(snapshotsOf(volume, working), volume, name);
  const snapshotPath = posix.join(imageSnapshots(volume), name);
  const temporary = temporaryPath(target, target.device, working);
  makeParent(target, target.device, working);
  sweep(target, working);
  const means = host.files.copyFile(snapshotPath, temporary) === "reflink" ? "reflink copy" : "copy";
  const { type } = await probe(host, temporary);
  await settlePrivately(working, { device: temporary, type, note });
  await giveNewUuid(host, { device: temporary, type });
  await place(target, temporary, working);
  return means;
}

export async function attachReadOnly(
  volume: VolumeSubject,
  name: string | undefined,
  working: Working,
): Promise<Attachment> {
  const { host } = working;
  await sweepAttached(volume, working);
  if (name !== undefined) {
    requireSnapshot(snapshotsOf(volume, working), volume, name);
    return attachImage(
      volume,
      { image: posix.join(imageSnapshots(volume), name), what: `snapshot ${name}`, copied: true },
      working,
    );
  }
  const sources = await loopsOf(host, volume.device);
  const mount = host.files.mounts().find(({ source }) => sources.includes(source));
  if (mount === undefined)
    return attachImage(volume, { image: volume.device, what: "the unmounted image", copied: false }, working);
  if ((await whyNoSnapshots(volume, host)) !== "")
    return { path: mount.target, means: "read from the mounted volume", frozen: false, detach: async () => undefined };
  await sweepReadings(volume, working);
  const reading = readingName(working, { start: "" });
  await snapshot(volume, reading, working);
  const attached = await attachImage(
    volume,
    { image: posix.join(imageSnapshots(volume), reading), what: "a reflink copy of this moment", copied: true },
    working,
  );
  const detach = async () => {
    await attached.detach();
    await removeSnapshot(volume, reading, working);
  };
  return { ...attached, detach };
}

/** Removes what killed readings left. */
export async function sweepReadings(volume: VolumeSubject, working: Working): Promise<void> {
  await sweepAttached(volume, working);
  for (const left of leftReadings(snapshotsOf(volume, working), working))
    await removeSnapshot(volume, left.name, working);
}

async function attachImage(
  volume: VolumeSubject,
  { image, what, copied }: { readonly image: string; readonly what: string; readonly copied: boolean },
  working: Working,
): Promise<Attachment> {
  const { type } = await probe(working.host, image);
  const options = [...readOnlyOptions(type, image, copied), "loop"];
  return attachAt(volume, { device: image, type, options, means: `read from ${what}` }, working);
}

async function copyImage(volume: VolumeSubject, to: string, working: Working): Promise<void> {
  const { host } = working;
  const { files } = host;
  const sources = await loopsOf(host, volume.device);
  const mount = files.mounts().find(({ source }) => sources.includes(source));
  if (mount !== undefined) files.syncFilesystem(mount.target);
  if (files.copyFile(volume.device, to) !== "reflink") {
    files.removeFile(to);
    throw new RootloomError(`cannot take a snapshot of volume ${volume.name}: its image could only be copied in full`);
  }
  const { type } = await probe(host, to);
  await settlePrivately(working, { device: to, type, note: undefined });
  files.syncFilesystem(posix.dirname(to));
}

async function whyNoSnapshots(volume: VolumeSubject, host: Looking["host"]): Promise<string> {
  const { type } = host.files.stat(volume.device) === undefined ? { type: "" } : await probe(host, volume.device);
  if (type === "btrfs") return "a copy of a btrfs device is never mounted beside its origin";
  if (await sharesBlocks(host, posix.dirname(volume.device))) return "";
  return "the filesystem that holds its image shares no blocks";
}
