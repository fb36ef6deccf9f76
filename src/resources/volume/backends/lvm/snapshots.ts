import { RootloomError } from "../../../../core/error.ts";
import type { Capabilities, Looking, Snapshot, VolumeSubject, Working } from "../backend.ts";
import { requireSnapshot } from "../copies.ts";
import { sweepAttached } from "../read-only.ts";
import { checkSnapshotName } from "../temporary.ts";
import { findIn, type Group, lvm, readGroup, removeVolume, requireVolume, volumeOf } from "./commands.ts";
import { sweepGroup, temporaryDevice } from "./create.ts";
import { markerOf, markVolume, whyAlien } from "./marker.ts";
import type { LogicalVolume } from "./parse.ts";

const FULL_SIZE_NOTE = "outside a thin pool, a snapshot takes room for the whole volume, and a clone is a full copy";

export async function capabilities(volume: VolumeSubject, looking: Looking): Promise<Capabilities> {
  const found = findIn(await readGroup(volume, looking), volume.device);
  const base = { atomic: true, grows: true } as const;
  const note = whyNoSnapshots(found);
  if (note !== "") return { ...base, snapshots: undefined, clones: undefined, note };
  if (found?.type === "V") return { ...base, snapshots: "lvm thin snapshot", clones: "lvm thin snapshot", note };
  return { ...base, snapshots: "lvm snapshot", clones: "copy", note: FULL_SIZE_NOTE };
}

/** A snapshot with the logical volume that holds it. */
export interface FoundSnapshot extends Snapshot {
  readonly volume: LogicalVolume;
}

/** Those that we made of a volume, oldest first. */
export function snapshotsIn(group: Group, volume: VolumeSubject, looking: Looking): readonly FoundSnapshot[] {
  const found = group.volumes.flatMap((each) => {
    const marker = markerOf(each);
    if (whyAlien(each, looking) !== undefined || marker?.volume !== volume.name || marker.snapshot === "") return [];
    if (each.name !== snapshotVolume(volume, marker.snapshot)) return [];
    return [{ name: marker.snapshot, createdAt: marker.createdAt, identity: each.uuid, volume: each }];
  });
  return found.sort((left, right) => (left.createdAt + left.name < right.createdAt + right.name ? -1 : 1));
}

export async function snapshotsOf(volume: VolumeSubject, looking: Looking): Promise<readonly Snapshot[]> {
  return snapshotsIn(await readGroup(volume, looking), volume, looking).map(plain);
}

/** Taken under a name of ours, marked with its own uuid, and given its name. It is read-only. */
export async function snapshot(volume: VolumeSubject, name: string, working: Working): Promise<Snapshot> {
  checkSnapshotName(name);
  const group = await readGroup(volume, working);
  const before = snapshotsIn(group, volume, working).find((each) => each.name === name);
  if (before !== undefined) return plain(before);
  const origin = requirePossible(volume, name, group);
  await sweepGroup(volume, group, working);
  const temporary = temporaryDevice(volume, working);
  await takeSnapshot(origin, temporary, working);
  const made = await requireVolume({ name: volume.name, device: temporary }, working);
  const createdAt = new Date(working.host.clock.now_ms()).toISOString();
  const { filesystem = "", filesystemUuid = "" } = markerOf(origin) ?? {};
  await markVolume(made, { filesystem, filesystemUuid, volume: volume.name, createdAt, snapshot: name }, working);
  await lvm(working, ["lvrename", group.name, made.name, snapshotVolume(volume, name)]);
  return { name, createdAt, identity: made.uuid };
}

/**
 * Of a thin volume in its pool; of another with room for a change of every block, so that it cannot overflow. The kernel
 * holds a mounted filesystem still while it is taken, which leaves its journal empty.
 */
async function takeSnapshot({ type, group, name }: LogicalVolume, device: string, working: Working): Promise<void> {
  const how = type === "V" ? ["--setactivationskip", "n"] : ["--extents", "100%ORIGIN"];
  const words = ["--yes", "--snapshot", "--permission", "r", ...how, "--name", volumeOf(device)];
  await lvm(working, ["lvcreate", ...words, `${group}/${name}`]);
}

export async function removeSnapshot(volume: VolumeSubject, name: string, working: Working): Promise<void> {
  const group = await readGroup(volume, working);
  const device = `${group.name}/${snapshotVolume(volume, name)}`;
  if (findIn(group, device) === undefined) return;
  requireSnapshot(snapshotsIn(group, volume, working), volume, name);
  await sweepAttached(volume, working);
  await removeVolume(device, working);
}

/** Snapshots of a volume that is to go. */
export async function removeSnapshots(volume: VolumeSubject, working: Working): Promise<void> {
  await requireOwnSnapshots(volume, working);
  const group = await readGroup(volume, working);
  await sweepGroup(volume, group, working);
  for (const found of snapshotsIn(group, volume, working))
    await removeVolume(`${group.name}/${found.volume.name}`, working);
}

/** A plain snapshot goes with its origin: one that is not ours keeps that. */
export async function requireOwnSnapshots(volume: VolumeSubject, working: Looking): Promise<void> {
  const group = await readGroup(volume, working);
  const isOfIt = ({ origin, type }: LogicalVolume) => origin === volumeOf(volume.device) && type !== "V";
  const foreign = group.volumes.find((each) => isOfIt(each) && whyAlien(each, working) !== undefined);
  const hint = `lvremove ${group.name}/${foreign?.name}, or \`rootloom forget volume/${volume.name}\``;
  if (foreign !== undefined)
    throw new RootloomError(
      `cannot delete volume ${volume.name}: its snapshot ${group.name}/${foreign.name} is ${whyAlien(foreign, working)}`,
      { hint },
    );
}

/** Whether a snapshot can be taken: a plain one needs room for the whole volume. */
export function hasRoom(group: Group, origin: LogicalVolume): boolean {
  return origin.type === "V" || origin.size_bytes <= group.free_bytes;
}

/** Why no snapshot of it can be read; empty when one can. */
export function whyNoSnapshots(origin: LogicalVolume | undefined): string {
  const isBtrfs = origin !== undefined && markerOf(origin)?.filesystem === "btrfs";
  return isBtrfs ? "a copy of a btrfs device is never mounted beside its origin" : "";
}

/** `before-upgrade` of `debian` is the logical volume `debian.before-upgrade`. */
function snapshotVolume(volume: VolumeSubject, name: string): string {
  return `${volumeOf(volume.device)}.${name}`;
}

function requirePossible(volume: VolumeSubject, name: string, group: Group): LogicalVolume {
  const refuse = (why: string, hint: string) =>
    new RootloomError(`cannot take snapshot ${name} of volume ${volume.name}: ${why}`, { hint });
  const origin = findIn(group, volume.device);
  if (origin === undefined) throw refuse(`there is no ${volume.device}`, "plan again");
  const note = whyNoSnapshots(origin);
  if (note !== "") throw refuse(note, "use snapshots of btrfs itself: a volume of the btrfs backend");
  const device = `${group.name}/${snapshotVolume(volume, name)}`;
  if (findIn(group, device) !== undefined)
    throw refuse(`${device} is there, and not made by Rootloom`, "choose another name, or lvrename it");
  if (!hasRoom(group, origin))
    throw refuse("its volume group has no room for it", "vgextend it, or keep the volume in a thin pool");
  return origin;
}

function plain({ name, createdAt, identity }: Snapshot): Snapshot {
  return { name, createdAt, identity };
}
