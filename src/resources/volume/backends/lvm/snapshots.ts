import { RootloomError } from "../../../../core/error.ts";
import type { Capabilities, Looking, Snapshot, VolumeSubject, Working } from "../backend.ts";
import { requireSnapshot } from "../copies.ts";
import { probe } from "../filesystem.ts";
import { checkSnapshotName, temporaryName } from "../temporary.ts";
import {
  findVolume,
  groupOf,
  listVolumes,
  lvm,
  removeVolume,
  requireGroup,
  requireVolume,
  volumeOf,
} from "./commands.ts";
import { sweepVolumes } from "./create.ts";
import { markerOf, markVolume, whyAlien } from "./marker.ts";
import type { LogicalVolume } from "./parse.ts";

const FULL_SIZE_NOTE = "outside a thin pool, a snapshot takes room for the whole volume, and a clone is a full copy";

export async function capabilities(volume: VolumeSubject, looking: Looking): Promise<Capabilities> {
  const found = await findVolume(volume.device, looking);
  const filesystem = found === undefined ? "" : markerOf(found)?.filesystem;
  const base = { atomic: true, grows: true, generation: false } as const;
  if (filesystem === "btrfs") {
    const note = "a copy of a btrfs device is never mounted beside its origin";
    return { ...base, snapshots: undefined, clones: undefined, note };
  }
  if (found?.type === "V") return { ...base, snapshots: "lvm thin snapshot", clones: "lvm thin snapshot", note: "" };
  return { ...base, snapshots: "lvm snapshot", clones: "copy", note: FULL_SIZE_NOTE };
}

/** A snapshot with the logical volume that holds it. */
export interface FoundSnapshot extends Snapshot {
  readonly volume: LogicalVolume;
}

export async function findSnapshots(volume: VolumeSubject, looking: Looking): Promise<readonly FoundSnapshot[]> {
  const found = (await listVolumes(groupOf(volume.device), looking)).flatMap((each) => {
    const marker = markerOf(each);
    if (whyAlien(each, looking) !== undefined || marker?.volume !== volume.name || marker.snapshot === "") return [];
    if (each.name !== snapshotVolume(volume, marker.snapshot)) return [];
    return [{ name: marker.snapshot, createdAt: marker.createdAt, identity: each.uuid, volume: each }];
  });
  return found.sort((left, right) => (left.createdAt + left.name < right.createdAt + right.name ? -1 : 1));
}

export async function snapshotsOf(volume: VolumeSubject, looking: Looking): Promise<readonly Snapshot[]> {
  return (await findSnapshots(volume, looking)).map(plain);
}

/** Taken under a name of ours, marked with its own uuid, and given its name. It is read-only. */
export async function snapshot(volume: VolumeSubject, name: string, working: Working): Promise<Snapshot> {
  checkSnapshotName(name);
  const before = (await findSnapshots(volume, working)).find((each) => each.name === name);
  if (before !== undefined) return plain(before);
  await requirePossible(volume, name, working);
  await sweepVolumes(volume, working);
  const group = groupOf(volume.device);
  const temporary = `${group}/${temporaryName(volume, working)}`;
  await takeSnapshot(volume.device, temporary, working);
  const made = await requireVolume(temporary, working);
  const { type, uuid } = await probe(working.host, made.mapperPath);
  const createdAt = new Date(working.host.clock.now_ms()).toISOString();
  const marker = { filesystem: type, filesystemUuid: uuid, volume: volume.name, createdAt, snapshot: name };
  await markVolume(made, marker, working);
  await lvm(working, ["lvrename", group, volumeOf(temporary), snapshotVolume(volume, name)]);
  return requireSnapshot(await snapshotsOf(volume, working), volume, name);
}

/**
 * Of a thin volume in its pool; of another with room for a change of every block, so that it cannot overflow. The kernel
 * holds a mounted filesystem still while it is taken, which leaves its journal empty.
 */
async function takeSnapshot(origin: string, device: string, working: Working): Promise<void> {
  const { type } = await requireVolume(origin, working);
  const how = type === "V" ? ["--setactivationskip", "n"] : ["--extents", "100%ORIGIN"];
  const words = ["--yes", "--snapshot", "--permission", "r", ...how, "--name", volumeOf(device), origin];
  await lvm(working, ["lvcreate", ...words]);
}

export async function removeSnapshot(volume: VolumeSubject, name: string, working: Working): Promise<void> {
  const there = await findVolume(`${groupOf(volume.device)}/${snapshotVolume(volume, name)}`, working);
  if (there === undefined) return;
  requireSnapshot(await snapshotsOf(volume, working), volume, name);
  await sweepVolumes(volume, working);
  await removeVolume(`${there.group}/${there.name}`, working);
}

/** Snapshots of a volume that is to go. A plain one goes with its origin: one that is not ours stops it all. */
export async function removeSnapshots(volume: VolumeSubject, working: Working): Promise<void> {
  await sweepVolumes(volume, working);
  const name = volumeOf(volume.device);
  const all = await listVolumes(groupOf(volume.device), working);
  const foreign = all.find(
    (each) => each.origin === name && each.type !== "V" && whyAlien(each, working) !== undefined,
  );
  if (foreign !== undefined)
    throw new RootloomError(
      `cannot delete volume ${volume.name}: its snapshot ${foreign.group}/${foreign.name} is ${whyAlien(foreign, working)}`,
      {
        hint: `lvremove ${foreign.group}/${foreign.name}, or \`rootloom forget volume/${volume.name}\``,
      },
    );
  for (const found of await findSnapshots(volume, working))
    await removeVolume(`${found.volume.group}/${found.volume.name}`, working);
}

/** `before-upgrade` of `debian` is the logical volume `debian.before-upgrade`. */
function snapshotVolume(volume: VolumeSubject, name: string): string {
  return `${volumeOf(volume.device)}.${name}`;
}

async function requirePossible(volume: VolumeSubject, name: string, working: Working): Promise<void> {
  const refuse = (why: string, hint: string) =>
    new RootloomError(`cannot take snapshot ${name} of volume ${volume.name}: ${why}`, { hint });
  const { snapshots, note } = await capabilities(volume, working);
  if (snapshots === undefined) throw refuse(note, "use snapshots of btrfs itself: a volume of the btrfs backend");
  const device = `${groupOf(volume.device)}/${snapshotVolume(volume, name)}`;
  if ((await findVolume(device, working)) !== undefined)
    throw refuse(`${device} is there, and not made by Rootloom`, "choose another name, or lvrename it");
  if (!(await hasRoom(volume, working)))
    throw refuse("its volume group has no room for it", "vgextend it, or keep the volume in a thin pool");
}

/** Whether a snapshot can be taken: a plain one needs room for the whole volume. */
export async function hasRoom(volume: VolumeSubject, looking: Looking): Promise<boolean> {
  const [group, found] = [await requireGroup(volume, looking), await findVolume(volume.device, looking)];
  if (found === undefined) return false;
  return found.type === "V" || found.size_bytes <= group.free_bytes;
}

function plain({ name, createdAt, identity }: Snapshot): Snapshot {
  return { name, createdAt, identity };
}
