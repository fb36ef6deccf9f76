import { topEntries } from "../../top.ts";
import { type Device, type Looking, NO_DEVICE, type VolumeSubject } from "../backend.ts";
import { deviceLines, filesystemSize_bytes, isKnownFilesystem, type Probe, probe, probeText } from "../filesystem.ts";
import { readPrivately } from "../private-mount.ts";
import { findIn, readGroup } from "./commands.ts";
import { markerOf, whyForeign } from "./marker.ts";
import type { LogicalVolume } from "./parse.ts";

/** What mkfs leaves unused at the end of a device: a filesystem that ends farther from it was not grown to its end. */
const UNUSED_END_BYTES = 16 * 1024 * 1024;
/** First letters of `lv_attr` of pools and of their parts. */
const POOLS = ["t", "T", "d", "D", "e"];
const NOTHING: Probe = { found: "nothing", type: "", label: "", uuid: "" };

export async function observeLogicalVolume(volume: VolumeSubject, looking: Looking): Promise<Device> {
  const group = await readGroup(volume, looking);
  const found = findIn(group, volume.device);
  if (found === undefined) return NO_DEVICE;
  const { isActive, isSuspended } = found;
  // A device that sleeps would hold the probe for ever.
  const probed = isActive && !isSuspended ? await probe(looking.host, found.mapperPath) : undefined;
  const reason = whyForeign(found, volume, looking) ?? whyAnotherFilesystem(found, probed);
  const base = {
    ...NO_DEVICE,
    identity: found.uuid,
    filesystem: probed?.type ?? (reason === undefined ? (markerOf(found)?.filesystem ?? "") : ""),
    label: probed?.label ?? "",
    size_bytes: await usableSize(found, probed, looking),
    granularity_bytes: group.extent_bytes,
    sources: [...new Set([found.mapperPath, found.path])],
  };
  if (reason === undefined) return { ...base, state: "ours" };
  return {
    ...base,
    state: "foreign",
    what: `a logical volume with ${isActive ? probeText(probed ?? NOTHING) : "unseen content"}, ${reason}`,
    unadoptable: whyUnadoptable(found, probed),
    about: [...deviceLines(probed ?? NOTHING, found.size_bytes), `uuid of the logical volume: ${found.uuid}`].concat(
      await topLines(found, probed, looking),
    ),
  };
}

/** Where one of our volumes has got a filesystem of somebody's, it is not ours any more. */
function whyAnotherFilesystem(found: LogicalVolume, probed: Probe | undefined): string | undefined {
  if (probed === undefined) return undefined;
  if (probed.found === "one" && probed.uuid === markerOf(found)?.filesystemUuid) return undefined;
  return "not with the filesystem that was marked";
}

function whyUnadoptable({ type, origin, path }: LogicalVolume, probed: Probe | undefined): string {
  if (POOLS.includes(type)) return `${path} is part of a pool`;
  if (type !== "V" && origin !== "") return `it is a snapshot of ${origin}`;
  if (probed === undefined) return `it is not active: lvchange --activate y ${path}`;
  return probed.found === "one" && isKnownFilesystem(probed.type) ? "" : "it holds no filesystem that we know";
}

async function usableSize(
  found: LogicalVolume,
  probed: Probe | undefined,
  { host }: Looking,
): Promise<number | undefined> {
  const device = found.mapperPath;
  if (probed === undefined || !isKnownFilesystem(probed.type)) return found.size_bytes;
  const mountPoint = uncovered(mountPointOf(found, { host }), found, { host });
  const size_bytes = await filesystemSize_bytes(host, { device, type: probed.type, mountPoint });
  return size_bytes + UNUSED_END_BYTES < found.size_bytes ? size_bytes : found.size_bytes;
}

async function topLines(found: LogicalVolume, probed: Probe | undefined, looking: Looking): Promise<readonly string[]> {
  const mountPoint = mountPointOf(found, looking);
  if (mountPoint !== undefined) return [`in it: ${topEntries(looking.host.files, mountPoint)}`];
  const entries = probed === undefined ? undefined : await readPrivately(looking, found.mapperPath, probed.type);
  return entries === undefined ? [] : [`in it: ${entries}`];
}

/** Where its content can be seen: not where something else is mounted over it. */
function uncovered(
  mountPoint: string | undefined,
  { mapperPath, path }: LogicalVolume,
  { host }: Pick<Looking, "host">,
): string | undefined {
  const source = host.files.mounts().findLast(({ target }) => target === mountPoint)?.source;
  return source === mapperPath || source === path ? mountPoint : undefined;
}

/** Where a logical volume is mounted. */
export function mountPointOf(
  { mapperPath, path }: Pick<LogicalVolume, "mapperPath" | "path">,
  { host }: Pick<Looking, "host">,
): string | undefined {
  return host.files.mounts().find(({ source }) => source === mapperPath || source === path)?.target;
}
