import { RootloomError } from "../../../../core/error.ts";
import type { VolumeResource } from "../../../../core/resource.ts";
import { sizeText } from "../../../../core/size.ts";
import type { Looking, Obstacle, VolumeSubject, Working } from "../backend.ts";
import { makeFilesystem, probe } from "../filesystem.ts";
import { tooSmall } from "../minimum.ts";
import { sweepAttached } from "../read-only.ts";
import { isLeftReading, isTemporaryName, temporaryName } from "../temporary.ts";
import { type Group, groupOf, lvm, pathOf, readGroup, removeVolume, requireVolume, volumeOf } from "./commands.ts";
import { markVolume } from "./marker.ts";

/** Makes an empty logical volume, its filesystem and its marker under a name of ours, and gives it its name. */
export async function createLogicalVolume(volume: VolumeResource, working: Working): Promise<void> {
  await sweepVolumes(volume, working);
  const temporary = temporaryDevice(volume, working);
  await makeEmpty(volume, temporary, working);
  const made = { device: pathOf(temporary), type: filesystemOf(volume), label: volume.label };
  await makeFilesystem(working.host, made, working.signal);
  await place(volume, temporary, working);
}

/** `GROUP/.rootloom-INSTANCE-RUN-NAME`. */
export function temporaryDevice(volume: VolumeSubject, working: Working): string {
  return `${groupOf(volume.device)}/${temporaryName(volume, working)}`;
}

/** A logical volume whose beginning is zeros: signatures of what was there before are wiped, in this one only. */
export async function makeEmpty(volume: VolumeResource, device: string, working: Working): Promise<void> {
  const { name, size_bytes, thinPool } = volume;
  if (size_bytes === undefined)
    throw new RootloomError(`cannot make volume ${name}: it has no size`, { hint: "add `size:`" });
  const bytes = `${size_bytes}b`;
  // A thin volume reads as zeros where nothing was written.
  const kind =
    thinPool === undefined
      ? ["--zero", "y", "--size", bytes]
      : ["--type", "thin", "--virtualsize", bytes, "--thinpool", thinPool];
  const clean = ["--yes", "--wipesignatures", "y"];
  await lvm(working, ["lvcreate", ...clean, ...kind, "--name", volumeOf(device), groupOf(device)]);
}

/** Marks what was made under its temporary name with its own identity, and renames it. */
export async function place(volume: VolumeSubject, temporary: string, working: Working): Promise<void> {
  const found = await requireVolume({ name: volume.name, device: temporary }, working);
  const { type, uuid } = await probe(working.host, found.mapperPath);
  await markVolume(found, { filesystem: type, filesystemUuid: uuid, volume: volume.name }, working);
  await lvm(working, ["lvrename", groupOf(volume.device), volumeOf(temporary), volumeOf(volume.device)]);
}

/** Removes what interrupted creations, snapshots and readings of a volume left in its group. */
export async function sweepVolumes(volume: VolumeSubject, working: Working): Promise<void> {
  await sweepGroup(volume, await readGroup(volume, working), working);
}

/** The same, in a group that was just read. */
export async function sweepGroup(volume: VolumeSubject, group: Group, working: Working): Promise<void> {
  await sweepAttached(volume, working);
  const mounted = new Set(working.host.files.mounts().map(({ source }) => source));
  for (const { name, mapperPath } of group.volumes)
    if ((isTemporaryName(name, volume, working) || isLeft(name, volume, working)) && !mounted.has(mapperPath))
      await removeVolume(`${group.name}/${name}`, working);
}

/** A snapshot that a killed reading of the volume took for itself. */
function isLeft(name: string, volume: VolumeSubject, working: Working): boolean {
  const above = `${volumeOf(volume.device)}.`;
  return name.startsWith(above) && isLeftReading(name.slice(above.length), working, { start: "" });
}

export async function obstacle(volume: VolumeResource, looking: Looking): Promise<Obstacle | undefined> {
  const group = await readGroup(volume, looking);
  const { size_bytes = 0, thinPool } = volume;
  if (thinPool === undefined) {
    const hint = `add a device with vgextend, or declare a smaller size`;
    if (size_bytes > group.free_bytes)
      return {
        why: `${sizeText(size_bytes)} is declared, and ${group.name} has ${sizeText(group.free_bytes)} left`,
        hint,
        passing: false,
      };
    return tooSmall(volume);
  }
  const pool = group.volumes.find(({ name }) => name === thinPool);
  if (pool?.type === "t") return tooSmall(volume);
  const hint = `make it with: lvcreate --type thin-pool --size SIZE --name ${thinPool} ${group.name}`;
  return { why: `there is no thin pool ${group.name}/${thinPool}`, hint, passing: false };
}

export function filesystemOf({ filesystem }: VolumeResource): string {
  return filesystem ?? "ext4";
}
