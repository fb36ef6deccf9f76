import { RootloomError } from "../../../../core/error.ts";
import type { VolumeResource } from "../../../../core/resource.ts";
import { sizeText } from "../../../../core/size.ts";
import type { Attachment, CloneOrigin, Means, VolumeSubject, Working } from "../backend.ts";
import { requireSnapshot } from "../copies.ts";
import { giveNewUuid, probe, readOnlyOptions } from "../filesystem.ts";
import { settlePrivately } from "../private-mount.ts";
import { attachAt } from "../read-only.ts";
import { readingName } from "../temporary.ts";
import { activate, findIn, groupOf, lvm, pathOf, readGroup, requireVolume, volumeOf } from "./commands.ts";
import { makeEmpty, place, sweepGroup, sweepVolumes, temporaryDevice } from "./create.ts";
import { markerOf } from "./marker.ts";
import { mountPointOf } from "./observe.ts";
import type { LogicalVolume } from "./parse.ts";
import { hasRoom, removeSnapshot, snapshot, snapshotsIn, whyNoSnapshots } from "./snapshots.ts";

/** In the snapshot's own thin pool a clone shares its blocks; anywhere else it is a full copy. */
export async function cloneFrom(
  { volume, snapshot: name, note }: CloneOrigin,
  target: VolumeResource,
  working: Working,
): Promise<Means> {
  const source = await requireSource(volume, name, working);
  await sweepVolumes(target, working);
  const temporary = temporaryDevice(target, working);
  const shares = source.type === "V" && groupOf(target.device) === source.group && target.thinPool === source.pool;
  if (shares) await cloneThin(source, temporary, working);
  else await copyInto(source, target, temporary, working);
  const device = pathOf(temporary);
  const type = markerOf(source)?.filesystem ?? "";
  await settlePrivately(working, { device, type, note });
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
  if (name !== undefined) {
    const source = await requireSource(volume, name, working);
    return attachDevice(volume, source, { what: `snapshot ${name}`, copied: true }, working);
  }
  const group = await readGroup(volume, working);
  await sweepGroup(volume, group, working);
  const live = findIn(group, volume.device) ?? (await requireVolume(volume, working));
  const mountPoint = mountPointOf(live, working);
  if (mountPoint === undefined)
    return attachDevice(volume, live, { what: "the unmounted volume", copied: false }, working);
  if (whyNoSnapshots(live) !== "" || !hasRoom(group, live))
    return { path: mountPoint, means: "read from the mounted volume", frozen: false, detach: async () => undefined };
  const reading = readingName(working, { start: "" });
  await snapshot(volume, reading, working);
  const source = await requireSource(volume, reading, working);
  const what = `an ${live.type === "V" ? "lvm thin snapshot" : "lvm snapshot"} of this moment`;
  const attached = await attachDevice(volume, source, { what, copied: true }, working);
  const detach = async () => {
    await attached.detach();
    await removeSnapshot(volume, reading, working);
  };
  return { ...attached, detach };
}

async function requireSource(volume: VolumeSubject, name: string, working: Working): Promise<LogicalVolume> {
  const found = snapshotsIn(await readGroup(volume, working), volume, working);
  const { identity } = requireSnapshot(found, volume, name);
  const source = found.find((each) => each.identity === identity)?.volume;
  if (source === undefined) throw new RootloomError(`cannot use snapshot ${name} of volume ${volume.name}: it is gone`);
  await activate(source, working);
  return source;
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
  if ((target.size_bytes ?? 0) < source.content_bytes)
    throw new RootloomError(
      `cannot clone into volume ${target.name}: ${sizeText(target.size_bytes ?? 0)} is declared, its origin has ${sizeText(source.content_bytes)}`,
      { hint: "declare at least the origin's size" },
    );
  await makeEmpty(target, temporary, working);
  // What is not written reads as zeros in a thin volume only.
  const conversions = target.thinPool === undefined ? "notrunc,fsync" : "sparse,notrunc,fsync";
  const words = [`if=${source.mapperPath}`, `of=${pathOf(temporary)}`, "bs=4M", `conv=${conversions}`, "status=none"];
  const { host, signal } = working;
  await host.processes.run({ file: "dd", arguments: words, hostNamespace: true, timeout_ms: 0, signal });
}
