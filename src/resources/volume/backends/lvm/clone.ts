import { RootloomError } from "../../../../core/error.ts";
import type { VolumeResource } from "../../../../core/resource.ts";
import { sizeText } from "../../../../core/size.ts";
import type { Attachment, Means, VolumeSubject, Working } from "../backend.ts";
import { requireSnapshot } from "../copies.ts";
import { giveNewUuid, probe, readOnlyOptions } from "../filesystem.ts";
import { settlePrivately } from "../private-mount.ts";
import { attachAt } from "../read-only.ts";
import { temporaryName } from "../temporary.ts";
import { activate, groupOf, lvm, requireVolume, volumeOf } from "./commands.ts";
import { makeEmpty, place, sweepVolumes } from "./create.ts";
import { mountPointOf } from "./observe.ts";
import type { LogicalVolume } from "./parse.ts";
import { type FoundSnapshot, findSnapshots, hasRoom, removeSnapshot, snapshot } from "./snapshots.ts";

/** In the snapshot's own thin pool a clone shares its blocks; anywhere else it is a full copy. */
export async function cloneFrom(
  origin: VolumeSubject,
  name: string,
  target: VolumeResource,
  working: Working,
): Promise<Means> {
  const { volume: source } = await requireFound(origin, name, working);
  await sweepVolumes(target, working);
  const group = groupOf(target.device);
  const temporary = `${group}/${temporaryName(target, working)}`;
  const shares = source.type === "V" && group === source.group && target.thinPool === source.pool;
  if (shares) await cloneThin(source, temporary, working);
  else await copyInto(source, target, temporary, working);
  const { mapperPath: device } = await requireVolume(temporary, working);
  const { type } = await probe(working.host, device);
  await settlePrivately(working, { device, type, withoutNotes: true });
  await giveNewUuid(working.host, { device, type });
  await place(target, temporary, working);
  return shares ? "lvm thin snapshot" : "copy";
}

/** Reads a snapshot; of a mounted volume one is taken for as long as it is read, where its group has the room. */
export async function attachReadOnly(
  volume: VolumeSubject,
  name: string | undefined,
  working: Working,
): Promise<Attachment> {
  await sweepVolumes(volume, working);
  if (name !== undefined) {
    const { volume: source } = await requireFound(volume, name, working);
    return attachDevice(volume, source, { what: `snapshot ${name}`, copied: true }, working);
  }
  const live = await requireVolume(volume.device, working);
  const mountPoint = mountPointOf(live, working);
  if (mountPoint === undefined)
    return attachDevice(volume, live, { what: "the unmounted volume", copied: false }, working);
  const { type } = await probe(working.host, live.mapperPath);
  if (type === "btrfs" || !(await hasRoom(volume, working)))
    return { path: mountPoint, means: "read from the mounted volume", frozen: false, detach: async () => undefined };
  const reading = temporaryName({ name: "reading" }, working, "");
  await removeSnapshot(volume, reading, working);
  await snapshot(volume, reading, working);
  const { volume: source } = await requireFound(volume, reading, working);
  const what = `an ${live.type === "V" ? "lvm thin snapshot" : "lvm snapshot"} of this moment`;
  const attached = await attachDevice(volume, source, { what, copied: true }, working);
  const detach = async () => {
    await attached.detach();
    await removeSnapshot(volume, reading, working);
  };
  return { ...attached, detach };
}

async function requireFound(volume: VolumeSubject, name: string, working: Working): Promise<FoundSnapshot> {
  const found = await findSnapshots(volume, working);
  requireSnapshot(found, volume, name);
  const snapshotFound = found.find((each) => each.name === name) as FoundSnapshot;
  await activate(snapshotFound.volume, working);
  return snapshotFound;
}

async function attachDevice(
  volume: VolumeSubject,
  source: LogicalVolume,
  { what, copied }: { readonly what: string; readonly copied: boolean },
  working: Working,
): Promise<Attachment> {
  await activate(source, working);
  const device = source.mapperPath;
  const { type } = await probe(working.host, device);
  const options = readOnlyOptions(type, device, copied);
  return attachAt(volume, { device, type, options, means: `read from ${what}` }, working);
}

async function cloneThin(source: LogicalVolume, temporary: string, working: Working): Promise<void> {
  const words = ["--yes", "--snapshot", "--permission", "rw", "--setactivationskip", "n"];
  const from = `${source.group}/${source.name}`;
  await lvm(working, ["lvcreate", ...words, "--name", volumeOf(temporary), from]);
}

async function copyInto(
  source: LogicalVolume,
  target: VolumeResource,
  temporary: string,
  working: Working,
): Promise<void> {
  if ((target.size_bytes ?? 0) < source.size_bytes)
    throw new RootloomError(
      `cannot clone into volume ${target.name}: ${sizeText(target.size_bytes ?? 0)} is declared, its origin has ${sizeText(source.size_bytes)}`,
      { hint: "declare at least the origin's size" },
    );
  await makeEmpty(target, temporary, working);
  const { mapperPath } = await requireVolume(temporary, working);
  // What is not written reads as zeros in a thin volume only.
  const conversions = target.thinPool === undefined ? "notrunc,fsync" : "sparse,notrunc,fsync";
  const words = [`if=${source.mapperPath}`, `of=${mapperPath}`, "bs=4M", `conv=${conversions}`, "status=none"];
  const { host, signal } = working;
  await host.processes.run({ file: "dd", arguments: words, hostNamespace: true, timeout_ms: 0, signal });
}
