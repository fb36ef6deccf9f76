import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { VolumeResource } from "../../src/core/resource.ts";
import { mountsBelow, unmountBelow } from "./bench.ts";
import type { Stage, Storage } from "./stage.ts";

const MEBIBYTE = 1024 * 1024;
const NO_SIZE = "a directory has no size of its own: `size` is refused in the document";
const NO_LABEL = "it has no filesystem of its own to label: `label` is refused in the document";
const NO_MOUNT = "its content stands at its path without a mount";
const QUOTA = "its size is a quota, which may be lowered";
/** Of a clone for which its volume is not cloned. */
export const EMPTY =
  "the volume is made empty, and the files of the root are copied, by reflink where they can share blocks";
const UNMOUNTED = {
  "mounts again what was unmounted by hand": NO_MOUNT,
  "puts drifted mount options back": NO_MOUNT,
  "refuses a second mount on its own, and one of somebody else's": NO_MOUNT,
  "does not cover what lies in its mount point": NO_MOUNT,
  "names the process that keeps it from being unmounted": NO_MOUNT,
  "completes a deletion that was killed after its unmount": NO_MOUNT,
  "attaches a dirty volume to be read, without a write": NO_MOUNT,
};

export const directoryStage: Stage = {
  name: "directory",
  missing: missingTools("mkfs.xfs", "xfs_info"),
  cannot: {
    "grows, and takes a smaller size than declared for drift": NO_SIZE,
    "finishes a growth that was interrupted": NO_SIZE,
    "refuses to shrink": NO_SIZE,
    "changes its label": NO_LABEL,
    "is made as a clone of its origin's volume, with the root in it": EMPTY,
    ...UNMOUNTED,
  },
  open: async () =>
    open("xfs", (folder) => ({
      declare: (name) => {
        const path = join(folder, name);
        return { backend: "directory", path, device: "", identity: `path:${path}` };
      },
      makeForeign: async ({ path }) => {
        mkdirSync(path);
        writeFileSync(join(path, "precious"), "theirs");
      },
      copyByHand: async (volume) => {
        const path = `${volume.path}-copy`;
        cpSync(volume.path, path, { recursive: true, preserveTimestamps: true });
        return { ...volume, path, identity: `path:${path}` };
      },
    })),
};

export const btrfsStage: Stage = {
  name: "btrfs",
  missing: missingTools("mkfs.btrfs", "btrfs"),
  cannot: {
    "refuses to shrink": QUOTA,
    "finishes a growth that was interrupted": QUOTA,
    "changes its label": NO_LABEL,
    ...UNMOUNTED,
  },
  open: async () =>
    open("btrfs", (folder) => ({
      declare: (name) => {
        const path = join(folder, name);
        return { backend: "btrfs", path, device: path, identity: `path:${path}`, size_bytes: 64 * MEBIBYTE };
      },
      makeForeign: async ({ path }) => {
        execFileSync("btrfs", ["-q", "subvolume", "create", path]);
        writeFileSync(join(path, "precious"), "theirs");
      },
      copyByHand: async (volume) => {
        const path = `${volume.path}-copy`;
        execFileSync("btrfs", ["-q", "subvolume", "snapshot", volume.path, path]);
        return { ...volume, path, device: path, identity: `path:${path}` };
      },
    })),
};

function loopStage(filesystem: "ext4" | "xfs"): Stage {
  return {
    name: `loop-${filesystem}`,
    missing: missingTools(`mkfs.${filesystem}`, "losetup", "mkfs.xfs", "xfs_info", "blkid"),
    cannot: {},
    open: async () =>
      open("xfs", (folder) => ({
        declare: (name) => {
          const device = join(folder, `${name}.img`);
          const size_bytes = 320 * MEBIBYTE;
          const path = join(folder, name);
          return { backend: "loop", path, device, identity: `path:${device}`, size_bytes, filesystem, label: "one" };
        },
        makeForeign: async (volume) => makeForeignImage(volume, filesystem, folder),
        copyByHand: async (volume) => {
          const device = `${volume.device}.copy`;
          copyFileSync(volume.device, device);
          copyFileSync(`${volume.device}.rootloom.json`, `${device}.rootloom.json`);
          return { ...volume, device, identity: `path:${device}` };
        },
        extend: ({ device }, size_bytes) => {
          execFileSync("truncate", [`--size=${size_bytes}`, device]);
        },
        soil: async (volume) => soilImage(volume, filesystem),
        bytes: ({ device }) => createHash("sha256").update(readFileSync(device)).digest("hex"),
      })),
  };
}

export const loopStages: readonly Stage[] = [loopStage("ext4"), loopStage("xfs")];

type Own = Omit<Storage, "folder" | "limits" | "larger_bytes" | "leftovers" | "close">;

/** A sparse file with a filesystem that shares blocks, mounted for the time of the suite. */
function open(type: "xfs" | "btrfs", own: (folder: string) => Own): Storage {
  const top = mkdtempSync("/tmp/rootloom-storage-");
  const image = join(top, "image");
  const folder = join(top, "mounted");
  execFileSync("truncate", ["--size=8G", image]);
  execFileSync(`mkfs.${type}`, ["-q", image], { stdio: "ignore" });
  mkdirSync(folder);
  execFileSync("mount", ["-t", type, "-o", "loop", image, folder]);
  if (type === "btrfs") execFileSync("btrfs", ["quota", "enable", folder]);
  return {
    folder,
    limits: {},
    larger_bytes: 512 * MEBIBYTE,
    ...own(folder),
    leftovers: () => readdirSync(folder).filter((name) => name.startsWith(".rootloom-")),
    close: async () => {
      unmountBelow(top);
      if (mountsBelow(top).length === 0) rmSync(top, { recursive: true });
    },
  };
}

function makeForeignImage({ device }: VolumeResource, filesystem: string, folder: string): void {
  const place = join(folder, "foreign");
  execFileSync("truncate", ["--size=320M", device]);
  execFileSync(`mkfs.${filesystem}`, ["-q", "-L", "theirs", device]);
  mkdirSync(place, { recursive: true });
  execFileSync("mount", ["-o", "loop", device, place]);
  writeFileSync(join(place, "precious"), "theirs");
  execFileSync("umount", [place]);
}

/** The bytes of the image while it is mounted and was just written to, put back into the same inode. */
function soilImage({ device, path }: VolumeResource, filesystem: string): void {
  const place = `${path}.soil`;
  mkdirSync(place);
  execFileSync("mount", ["-t", filesystem, "-o", "loop", device, place]);
  writeFileSync(join(place, "data/late"), "late");
  execFileSync("sync", ["--file-system", place]);
  execFileSync("cp", ["--reflink=always", device, `${device}.dirty`]);
  execFileSync("umount", [place]);
  execFileSync("cp", ["--reflink=always", `${device}.dirty`, device]);
  rmSync(`${device}.dirty`);
}

export function missingTools(...tools: readonly string[]): () => string | undefined {
  return () => {
    const folders = ["/usr/local/sbin", "/usr/sbin", "/sbin", ...(process.env.PATH ?? "").split(":")];
    const missing = tools.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))));
    return missing.length === 0 ? undefined : `needs ${missing.join(", ")}`;
  };
}
