import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import type { MountEntry } from "../ports.ts";
import { isMissing } from "./failure.ts";
import { subvolumeId } from "./subvolume.ts";
import { filesystemUuid, statDescriptor } from "./system-calls.ts";

/**
 * A name of the filesystem that holds a path, the same after a reboot and a remount wherever the
 * filesystem has a uuid: from the kernel, else from its superblock, else from udev's links. A btrfs
 * subvolume is part of the name, because inodes are numbered in each anew. Where there is no uuid it is
 * `device:MAJOR:MINOR`, the same in every mount namespace (which a mount's id is not) until the filesystem is unmounted.
 */
export function filesystemIdentity(path: string, mounts: readonly MountEntry[]): string {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const { mountId } = statDescriptor(descriptor);
    const mount = mounts.find(({ id }) => id === mountId);
    const uuid = filesystemUuid(descriptor) ?? (mount === undefined ? undefined : uuidOfSource(mount));
    if (uuid === undefined) return `device:${deviceOf(descriptor)}`;
    const subvolume = mount === undefined || mount.type === "btrfs" ? subvolumeId(descriptor) : undefined;
    return subvolume === undefined ? `uuid:${uuid}` : `uuid:${uuid}:${subvolume}`;
  } finally {
    closeSync(descriptor);
  }
}

function deviceOf(descriptor: number): string {
  const { dev } = fstatSync(descriptor, { bigint: true });
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

/** Where the uuid of 16 bytes lies on the device, and the magic bytes that prove the format. */
const superblocks: Readonly<Record<string, { magicAt: number; magic: string; uuidAt: number }>> = {
  ext2: { magicAt: 1_080, magic: "53ef", uuidAt: 1_128 },
  ext3: { magicAt: 1_080, magic: "53ef", uuidAt: 1_128 },
  ext4: { magicAt: 1_080, magic: "53ef", uuidAt: 1_128 },
  xfs: { magicAt: 0, magic: "58465342", uuidAt: 32 },
  btrfs: { magicAt: 65_600, magic: "5f42485266535f4d", uuidAt: 65_568 },
};

function uuidOfSource(mount: MountEntry): string | undefined {
  if (!mount.source.startsWith("/dev/")) return undefined;
  try {
    const uuid = superblockUuid(mount);
    return uuid ?? linkedUuid(mount.source);
  } catch {
    return linkedUuid(mount.source); // no right to read the device, or it went away
  }
}

function superblockUuid(mount: MountEntry): string | undefined {
  const format = superblocks[mount.type];
  if (format === undefined || !statSync(mount.source).isBlockDevice()) return undefined;
  const device = openSync(mount.source, constants.O_RDONLY);
  try {
    const magicLength = format.magic.length / 2;
    if (readHex(device, format.magicAt, magicLength) !== format.magic) return undefined;
    return readHex(device, format.uuidAt, 16);
  } finally {
    closeSync(device);
  }
}

function readHex(device: number, position: number, length: number): string {
  const buffer = Buffer.alloc(length);
  readSync(device, buffer, 0, length, position);
  return buffer.toString("hex");
}

const linksByUuid = "/dev/disk/by-uuid";

function linkedUuid(source: string): string | undefined {
  try {
    const device = statSync(source).rdev;
    const link = readdirSync(linksByUuid).find((name) => statSync(`${linksByUuid}/${name}`).rdev === device);
    return link?.replaceAll("-", "").toLowerCase();
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}
