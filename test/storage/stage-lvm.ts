import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { VolumeResource } from "../../src/core/resource.ts";
import { mountsBelow, unmountBelow } from "./bench.ts";
import type { Stage, Storage } from "./stage.ts";
import { EMPTY, missingTools } from "./stages-host.ts";

const MEBIBYTE = 1024 * 1024;
const POOL = "pool";

/** Disks to lose, which nothing but a guest names: see `lvm-guest.ts`. */
const [PLAIN_DISK = "", THIN_DISK = ""] = (process.env.ROOTLOOM_TEST_DISKS ?? "").split(" ");

function lvmStage(filesystem: "ext4" | "xfs", disk: string, thinPool: string | undefined): Stage {
  const tools = missingTools("lvm", `mkfs.${filesystem}`, "blkid");
  const isReady = disk !== "" && existsSync("/dev/mapper/control");
  return {
    name: thinPool === undefined ? `lvm-${filesystem}` : `lvm-thin-${filesystem}`,
    missing: () => (isReady ? tools() : "it needs a device mapper and a disk to lose, as a guest has"),
    cannot: thinPool === undefined ? { "is made as a clone of its origin's volume, with the root in it": EMPTY } : {},
    open: async () => openGroup(filesystem, disk, thinPool),
  };
}

/** A plain volume, of which snapshots and clones are full; and a thin one, which shares its blocks. */
export const lvmStages: readonly Stage[] = [lvmStage("ext4", PLAIN_DISK, undefined), lvmStage("xfs", THIN_DISK, POOL)];

function openGroup(filesystem: "ext4" | "xfs", disk: string, thinPool: string | undefined): Storage {
  const top = mkdtempSync("/tmp/rootloom-storage-");
  const [folder, place] = [join(top, "mounted"), join(top, "place")];
  for (const path of [folder, place]) mkdirSync(path);
  const group = `bed-${filesystem}`;
  lvm("pvcreate", "--quiet", disk);
  lvm("vgcreate", "--quiet", group, disk);
  if (thinPool !== undefined)
    lvm("lvcreate", "--type", "thin-pool", "--size", "6G", "--zero", "y", "--name", thinPool, group);
  const thin = thinPool === undefined ? {} : { thinPool };
  return {
    folder,
    limits: { volumeGroups: [group] },
    larger_bytes: 512 * MEBIBYTE,
    declare: (name) => {
      const device = `${group}/${name}`;
      const size_bytes = 320 * MEBIBYTE;
      const path = join(folder, name);
      return { backend: "lvm", path, device, identity: `lv:${device}`, size_bytes, filesystem, label: "one", ...thin };
    },
    makeForeign: async (volume) => {
      makeVolume(volume.device, thinPool);
      execFileSync(`mkfs.${filesystem}`, ["-q", "-L", "theirs", `/dev/${volume.device}`]);
      execFileSync("mount", [`/dev/${volume.device}`, place]);
      writeFileSync(join(place, "precious"), "theirs");
      execFileSync("umount", [place]);
    },
    copyByHand: async (volume) => {
      const device = `${volume.device}-copy`;
      makeVolume(device, thinPool);
      copyBytes(`/dev/${volume.device}`, `/dev/${device}`);
      const tag = lvm("lvs", "--noheadings", "--options", "lv_tags", volume.device).trim();
      lvm("lvchange", "--addtag", tag, device);
      return { ...volume, device, identity: `lv:${device}` };
    },
    extend: (volume, size_bytes) => {
      lvm("lvextend", "--size", `${size_bytes}b`, volume.device);
    },
    soil: async (volume) => soil(volume, place, top),
    bytes: ({ device }) => digestOf(`/dev/${device}`),
    leftovers: () =>
      lvm("lvs", "--noheadings", "--options", "lv_name", group)
        .split("\n")
        .map((name) => name.trim())
        .filter((name) => name.includes("rootloom-")),
    close: async () => {
      unmountBelow(top);
      lvm("vgremove", "--yes", "--force", group);
      if (mountsBelow(top).length === 0) rmSync(top, { recursive: true });
    },
  };
}

function makeVolume(device: string, thinPool: string | undefined): void {
  const [group = "", name = ""] = device.split("/");
  const size = thinPool === undefined ? ["--size", "320M"] : ["--virtualsize", "320M", "--thinpool", thinPool];
  lvm("lvcreate", "--yes", "--wipesignatures", "y", ...size, "--name", name, group);
}

/** The bytes of the volume while it is mounted and was just written to, put back after its unmount. */
function soil({ device }: VolumeResource, place: string, top: string): void {
  const dirty = join(top, "dirty");
  execFileSync("mount", [`/dev/${device}`, place]);
  writeFileSync(join(place, "data/late"), "late");
  execFileSync("sync", ["--file-system", place]);
  execFileSync("dd", [`if=/dev/${device}`, `of=${dirty}`, "bs=1M", "conv=sparse", "status=none"]);
  execFileSync("umount", [place]);
  copyBytes(dirty, `/dev/${device}`);
  rmSync(dirty);
}

function copyBytes(from: string, to: string): void {
  execFileSync("dd", [`if=${from}`, `of=${to}`, "bs=1M", "conv=notrunc,fsync", "status=none"]);
}

function digestOf(device: string): string {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(4 * MEBIBYTE);
  const descriptor = openSync(device, "r");
  for (let size = readSync(descriptor, buffer); size > 0; size = readSync(descriptor, buffer))
    hash.update(buffer.subarray(0, size));
  closeSync(descriptor);
  return hash.digest("hex");
}

function lvm(file: string, ...arguments_: readonly string[]): string {
  const environment = { ...process.env, DM_DISABLE_UDEV: "1" };
  return execFileSync(file, arguments_, {
    encoding: "utf8",
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
  });
}
