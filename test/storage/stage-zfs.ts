import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mountsBelow, unmountBelow } from "./bench.ts";
import type { Stage, Storage } from "./stage.ts";
import { missingTools } from "./stages-host.ts";
import { makeZfsBed, type ZfsBed } from "./zfs-bed.ts";

const MEBIBYTE = 1024 * 1024;
const QUOTA = "its size is a quota, which may be lowered";
const INTENT_LOG = "its intent log is replayed when the pool is imported, which is no part of a mount";

/** A pool on a file, served by zfs-fuse: the command line of 2010 against a real pool. */
export const zfsStage: Stage = {
  name: "zfs",
  missing: missingTools("zfs-fuse", "zfs", "zpool"),
  cannot: {
    "refuses to shrink": QUOTA,
    "finishes a growth that was interrupted": QUOTA,
    "changes its label": "it has no label: `label` is refused in the document",
    "attaches a dirty volume to be read, without a write": INTENT_LOG,
  },
  open: async () => {
    const top = mkdtempSync("/tmp/rootloom-storage-");
    return openPool(top, await makeZfsBed(top));
  },
};

function openPool(top: string, bed: ZfsBed): Storage {
  const folder = join(top, "mounted");
  const place = join(top, "foreign");
  for (const path of [folder, place]) mkdirSync(path);
  return {
    folder,
    limits: { pools: [bed.pool] },
    larger_bytes: 96 * MEBIBYTE,
    unseen: true,
    declare: (name) => {
      const device = `${bed.pool}/${name}`;
      return {
        backend: "zfs",
        path: join(folder, name),
        device,
        identity: `dataset:${device}`,
        size_bytes: 64 * MEBIBYTE,
      };
    },
    makeForeign: async ({ device }) => {
      bed.zfs("create", "-o", "canmount=noauto", "-o", `mountpoint=${place}`, device);
      bed.zfs("mount", device);
      writeFileSync(join(place, "precious"), "theirs");
      execFileSync("umount", [place]);
    },
    copyByHand: async (volume) => {
      const device = `${volume.device}-copy`;
      const marker = bed.zfs("get", "-H", "-o", "value", "rootloom:marker", volume.device).trim();
      bed.zfs("snapshot", `${volume.device}@by-hand`);
      bed.zfs("clone", "-o", "canmount=noauto", "-o", `rootloom:marker=${marker}`, `${volume.device}@by-hand`, device);
      return { ...volume, device, identity: `dataset:${device}` };
    },
    leftovers: () =>
      bed
        .zfs("list", "-H", "-o", "name", "-t", "filesystem,volume,snapshot")
        .split("\n")
        .filter((name) => name.includes(".rootloom-")),
    close: async () => {
      unmountBelow(folder);
      await bed.stop();
      if (mountsBelow(top).length === 0) rmSync(top, { recursive: true });
    },
  };
}
