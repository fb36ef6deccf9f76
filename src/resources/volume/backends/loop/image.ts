import { posix } from "node:path";
import type { Files } from "../../../../host/ports.ts";
import { identityOf, type Marker, ownership, readMarker, writeMarker } from "../../../marker.ts";
import { describe, topEntries } from "../../top.ts";
import { type Device, type Looking, NO_DEVICE, type VolumeSubject, type Working } from "../backend.ts";
import { deviceLines, filesystemSize_bytes, isKnownFilesystem, type Probe, probe, probeText } from "../filesystem.ts";
import { readPrivately } from "../private-mount.ts";
import { loopsOf } from "./devices.ts";

/** What mkfs leaves unused at the end of a device: a filesystem that ends farther from it was not grown to its end. */
const UNUSED_END_BYTES = 16 * 1024 * 1024;

/** `IMAGE.rootloom.json`: whose an image is, and which one it means by inode and by its filesystem's uuid. */
export function imageMarkerPath(image: string): string {
  return `${image}.rootloom.json`;
}

export async function observeImage(volume: VolumeSubject, looking: Looking): Promise<Device> {
  const { host } = looking;
  const image = volume.device;
  const stat = host.files.stat(image);
  if (stat === undefined) return NO_DEVICE;
  if (stat.type !== "file") {
    const what = describe(stat.type, host.files.list(image)?.length ?? 0);
    return { ...NO_DEVICE, state: "foreign", what, unadoptable: `${image} is no image file` };
  }
  const sources = await loopsOf(host, image);
  const mounts = host.files.mounts();
  const mount = mounts.find(({ source }) => sources.includes(source));
  // What is mounted is newer in its device than in the image.
  const device = mount?.source ?? image;
  const found = await probe(host, device);
  const reason = foreignBecause(volume, found, looking);
  // Below another mount it cannot be reached.
  const isCovered = mounts.filter(({ target }) => target === mount?.target).length > 1;
  const mountPoint = isCovered ? undefined : mount?.target;
  const size_bytes = await usableSize(looking, { device, found, mountPoint, image_bytes: stat.size });
  const base = {
    ...NO_DEVICE,
    identity: `${host.files.filesystemIdentity(image)} ${stat.inode}`,
    filesystem: found.type,
    label: found.label,
    size_bytes,
    sources,
  };
  if (reason === "") return { ...base, state: "ours" };
  const entries =
    mountPoint === undefined ? await readPrivately(looking, image, found.type) : topEntries(host.files, mountPoint);
  return {
    ...base,
    state: "foreign",
    what: `an image with ${probeText(found)}, ${reason}`,
    unadoptable: found.found === "one" && isKnownFilesystem(found.type) ? "" : "it holds no filesystem that we know",
    about: [...deviceLines(found, stat.size), ...(entries === undefined ? [] : [`in it: ${entries}`])],
  };
}

/** Says beside the image that it is ours, with its identity: `path` is it, in its place or still under its temporary name. */
export async function markImage(
  volume: VolumeSubject,
  working: Working,
  { path, adopted }: { readonly path: string; readonly adopted: boolean },
): Promise<void> {
  const { files, clock } = working.host;
  const { uuid } = await probe(working.host, path);
  writeMarker(files, imageMarkerPath(volume.device), {
    version: 1,
    instance: working.instance,
    kind: "image",
    name: volume.name,
    identity: imageIdentity(files, path),
    runId: working.runId,
    createdAt: new Date(clock.now_ms()).toISOString(),
    inputs: {},
    details: { backend: "loop", uuid, adopted },
  });
}

/** Why an image is not ours; empty when it is. */
function foreignBecause(volume: VolumeSubject, found: Probe, { host, instance }: Looking): string {
  const { files } = host;
  const marker = readMarker(files, imageMarkerPath(volume.device));
  const { filesystem, inode, born = "" } = imageIdentity(files, volume.device);
  const { verdict, reason } = ownership(marker, instance, inode, filesystem, born);
  if (verdict === "foreign") return reason;
  const { name, details } = marker as Marker;
  if (name !== volume.name) return `marked as volume ${name}`;
  // A probe finds nothing, or another filesystem, where somebody made a new one in the image.
  if (found.found !== "one" || found.uuid !== details.uuid) return "not with the filesystem that was marked";
  return "";
}

/** The image's own inode, on the filesystem of the directory that it stands in. */
function imageIdentity(files: Files, path: string) {
  return { ...identityOf(files, path), filesystem: files.filesystemIdentity(posix.dirname(path)) };
}

async function usableSize(
  { host }: Looking,
  {
    device,
    found,
    mountPoint,
    image_bytes,
  }: {
    readonly device: string;
    readonly found: Probe;
    readonly mountPoint: string | undefined;
    readonly image_bytes: number;
  },
): Promise<number> {
  if (found.found !== "one" || !isKnownFilesystem(found.type)) return image_bytes;
  const size_bytes = await filesystemSize_bytes(host, { device, type: found.type, mountPoint });
  return size_bytes + UNUSED_END_BYTES < image_bytes ? size_bytes : image_bytes;
}
