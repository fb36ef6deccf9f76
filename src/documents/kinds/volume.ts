import {
  choice,
  fields,
  type JsonSchema,
  LINKS,
  MATRIX,
  MODE,
  ON_DELETE,
  OWNER,
  PROTECT,
  SIZE,
  text,
  texts,
} from "./common.ts";

/** Volume: storage that holds a root, a kernel source or a shared cache. */
export const volumeSchema: JsonSchema = fields(
  {
    backend: choice(["directory", "btrfs", "loop", "zfs", "lvm"], "What keeps the data."),
    path: text(
      "directory, btrfs: where it stands; relative paths are below the state directory. Default volumes/NAME.",
    ),
    dataset: text("zfs: the dataset, such as tank/roots/debian."),
    group: text("lvm: the volume group."),
    logicalVolume: text("lvm: the logical volume. Default: the document's name."),
    thinPool: text("lvm: a thin pool of the group that it lives in: its snapshots and clones then share its blocks."),
    image: text("loop: the image file; relative paths are below the state directory. Default volumes/NAME.img."),
    size: SIZE,
    filesystem: choice(["ext4", "xfs", "btrfs"], "lvm, loop: what the volume is formatted with. Default ext4."),
    label: text("Label of the filesystem: at most 16 bytes for ext4, 12 for xfs, 255 for btrfs."),
    mountPoint: text("zfs, lvm, loop: where it is mounted. Default volumes/NAME below the state directory."),
    mountOptions: texts("zfs, lvm, loop: options of that mount, such as noatime."),
    owner: OWNER,
    mode: MODE,
    links: LINKS,
    onDelete: ON_DELETE,
    protect: PROTECT,
    matrix: MATRIX,
  },
  "Storage on the host.",
  ["backend"],
);
