import { RootloomError } from "../../../../core/error.ts";

/** A logical volume as `lvs` reports it. */
export interface LogicalVolume {
  readonly group: string;
  readonly name: string;
  readonly uuid: string;
  readonly size_bytes: number;
  /** Of what is read from it: of a plain snapshot its origin's, since its own is that of its room for changes. */
  readonly content_bytes: number;
  readonly tags: readonly string[];
  /** Of a snapshot: the logical volume in the group that it was taken of; else empty. */
  readonly origin: string;
  /** The thin pool that it lives in; else empty. */
  readonly pool: string;
  /** First letter of `lv_attr`: `V` thin, `s` snapshot, `t` thin pool, `-` plain. */
  readonly type: string;
  readonly isActive: boolean;
  readonly isSuspended: boolean;
  /** `/dev/GROUP/NAME`. */
  readonly path: string;
  /** `/dev/mapper/GROUP-NAME`, as the kernel lists the source of a mount. */
  readonly mapperPath: string;
  readonly inGroup: VolumeGroup;
}

export interface VolumeGroup {
  readonly name: string;
  readonly free_bytes: number;
  readonly extent_bytes: number;
}

/** What `lvs --reportformat json --units b --nosuffix` printed. */
export function parseVolumes(text: string): readonly LogicalVolume[] {
  return rows(text, "lv").map((row) => {
    const attributes = row.lv_attr ?? "";
    return {
      group: row.vg_name ?? "",
      name: row.lv_name ?? "",
      uuid: row.lv_uuid ?? "",
      size_bytes: Number(row.lv_size ?? 0),
      content_bytes: Number((attributes.startsWith("s") ? row.origin_size : row.lv_size) ?? 0),
      tags: (row.lv_tags ?? "").split(",").filter((tag) => tag !== ""),
      origin: row.origin ?? "",
      pool: row.pool_lv ?? "",
      type: attributes[0] ?? "",
      // `s`, `S` suspended, `I` a snapshot that overflowed: all have a device.
      isActive: attributes[4] !== "-" && attributes[4] !== undefined,
      isSuspended: attributes[4] === "s" || attributes[4] === "S",
      path: row.lv_path ?? "",
      mapperPath: row.lv_dm_path ?? "",
      inGroup: toGroup(row),
    };
  });
}

/** What `vgs` printed, likewise. */
export function parseGroups(text: string): readonly VolumeGroup[] {
  return rows(text, "vg").map(toGroup);
}

function toGroup(row: Row): VolumeGroup {
  return {
    name: row.vg_name ?? "",
    free_bytes: Number(row.vg_free ?? 0),
    extent_bytes: Number(row.vg_extent_size ?? 0),
  };
}

type Row = Readonly<Record<string, string>>;

interface Report {
  readonly report?: readonly Readonly<Record<string, readonly Row[]>>[];
}

function rows(text: string, kind: string): readonly Row[] {
  try {
    return ((JSON.parse(text) as Report).report ?? []).flatMap((report) => report[kind] ?? []);
  } catch (cause) {
    throw new RootloomError("cannot read what LVM reports: it is no JSON", {
      hint: "LVM 2.02.158 or later is needed",
      cause,
    });
  }
}
