import { RootloomError } from "../../../../core/error.ts";
import type { Finished } from "../../../../host/ports.ts";
import type { Looking, VolumeSubject, Working } from "../backend.ts";
import { type LogicalVolume, parseGroups, parseVolumes, type VolumeGroup } from "./parse.ts";

/** udevd listens there. */
const UDEV_SOCKET = "/run/udev/control";
const REPORT = ["--reportformat", "json", "--units", "b", "--nosuffix"];
const VOLUME_FIELDS = "vg_name,lv_name,lv_uuid,lv_size,lv_attr,lv_tags,origin,pool_lv,lv_path,lv_dm_path";

/** Runs a command of LVM where the host's mounts are. Without udevd, LVM makes the device nodes itself. */
export function lvm(looking: Looking, [file = "", ...rest]: readonly string[]): Promise<Finished> {
  const { host, signal } = looking;
  const alone = host.files.stat(UDEV_SOCKET) === undefined;
  return host.processes.run({
    file,
    arguments: rest,
    hostNamespace: true,
    signal,
    ...(alone ? { environment: { DM_DISABLE_UDEV: "1" } } : {}),
  });
}

/** @throws RootloomError when the group is not there: that a volume cannot be seen does not say that it is gone. */
export async function requireGroup(volume: VolumeSubject, looking: Looking): Promise<VolumeGroup> {
  const name = groupOf(volume.device);
  const { stdout } = await lvm(looking, ["vgs", ...REPORT, "--options", "vg_name,vg_free,vg_extent_size"]);
  const group = parseGroups(stdout).find((each) => each.name === name);
  if (group !== undefined) return group;
  throw new RootloomError(`cannot look at volume ${volume.name}: there is no volume group ${name}`, {
    hint: `look with: vgs; make it with: vgcreate ${name} DEVICE`,
    retry: "waiting",
    condition: "GroupMissing",
  });
}

/** All logical volumes of a group that exists. */
export async function listVolumes(group: string, looking: Looking): Promise<readonly LogicalVolume[]> {
  const { stdout } = await lvm(looking, ["lvs", ...REPORT, "--options", VOLUME_FIELDS, group]);
  return parseVolumes(stdout);
}

/** One logical volume of a group that exists; undefined where there is none of the name. */
export async function findVolume(device: string, looking: Looking): Promise<LogicalVolume | undefined> {
  return (await listVolumes(groupOf(device), looking)).find(({ name }) => name === volumeOf(device));
}

export async function requireVolume(device: string, looking: Looking): Promise<LogicalVolume> {
  const found = await findVolume(device, looking);
  if (found !== undefined) return found;
  throw new RootloomError(`cannot use ${device}: there is no such logical volume`, { hint: "plan again" });
}

/** Makes a device of it, and wakes one that an interrupted command left asleep. */
export async function activate(found: LogicalVolume, working: Working): Promise<void> {
  const device = `${found.group}/${found.name}`;
  if (!found.isActive) await lvm(working, ["lvchange", "--activate", "y", "--ignoreactivationskip", device]);
  else if (found.isSuspended) await lvm(working, ["lvchange", "--refresh", device]);
}

/** Removes one logical volume, which nothing uses. */
export async function removeVolume(device: string, working: Working): Promise<void> {
  await lvm(working, ["lvremove", "--yes", "--force", device]);
}

export function groupOf(device: string): string {
  return device.split("/")[0] ?? "";
}

/** Name of the logical volume in its group. */
export function volumeOf(device: string): string {
  return device.split("/")[1] ?? "";
}
