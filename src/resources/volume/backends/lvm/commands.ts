import { RootloomError } from "../../../../core/error.ts";
import type { Finished } from "../../../../host/ports.ts";
import type { Looking, VolumeSubject, Working } from "../backend.ts";
import { type LogicalVolume, parseGroups, parseVolumes, type VolumeGroup } from "./parse.ts";

/** udevd listens there. */
const UDEV_SOCKET = "/run/udev/control";
const REPORT = ["--reportformat", "json", "--units", "b", "--nosuffix"];
const GROUP_FIELDS = "vg_name,vg_free,vg_extent_size";
const VOLUME_FIELDS = "lv_name,lv_uuid,lv_size,lv_attr,lv_tags,origin,origin_size,pool_lv,lv_path,lv_dm_path";

export interface Group extends VolumeGroup {
  readonly volumes: readonly LogicalVolume[];
}

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

/**
 * A volume's group with all its logical volumes, as they are now.
 * @throws RootloomError when the group is not there: that a volume cannot be seen does not say that it is gone.
 */
export async function readGroup(volume: Pick<VolumeSubject, "name" | "device">, looking: Looking): Promise<Group> {
  const name = groupOf(volume.device);
  const read = (command: string, fields: string) => lvm(looking, [command, ...REPORT, "--options", fields]);
  const rows = parseVolumes((await read("lvs", `${VOLUME_FIELDS},${GROUP_FIELDS}`)).stdout);
  const volumes = rows.filter(({ group }) => group === name);
  // A group without logical volumes is in no row of theirs.
  const group =
    volumes[0]?.inGroup ?? parseGroups((await read("vgs", GROUP_FIELDS)).stdout).find((each) => each.name === name);
  if (group !== undefined) return { ...group, volumes };
  throw new RootloomError(`cannot look at volume ${volume.name}: there is no volume group ${name}`, {
    hint: `look with: vgs; make it with: vgcreate ${name} DEVICE`,
    retry: "waiting",
    condition: "GroupMissing",
  });
}

/** The logical volume of a device's name; undefined where there is none. */
export function findIn({ volumes }: Group, device: string): LogicalVolume | undefined {
  return volumes.find(({ name }) => name === volumeOf(device));
}

export async function requireVolume(
  volume: Pick<VolumeSubject, "name" | "device">,
  looking: Looking,
): Promise<LogicalVolume> {
  const found = findIn(await readGroup(volume, looking), volume.device);
  if (found !== undefined) return found;
  throw new RootloomError(`cannot use ${volume.device}: there is no such logical volume`, { hint: "plan again" });
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

/** `/dev/GROUP/NAME`. */
export function pathOf(device: string): string {
  return `/dev/${device}`;
}

export function groupOf(device: string): string {
  return device.split("/")[0] ?? "";
}

/** Name of the logical volume in its group. */
export function volumeOf(device: string): string {
  return device.split("/")[1] ?? "";
}
