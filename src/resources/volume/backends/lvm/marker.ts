import type { Looking, VolumeSubject, Working } from "../backend.ts";
import { lvm } from "./commands.ts";
import type { LogicalVolume } from "./parse.ts";

/**
 * Whose a logical volume is, as a tag of it: `rootloom/INSTANCE/UUID/FILESYSTEM/ITS-UUID/VOLUME`, and behind that of a
 * snapshot `/TIME/SNAPSHOT`. It names the uuid of the logical volume that it means: a copied tag means another one.
 */
export interface LvmMarker {
  readonly instance: string;
  readonly uuid: string;
  /** Of what was made in it, so that another filesystem in the same place is noticed. */
  readonly filesystem: string;
  readonly filesystemUuid: string;
  /** The volume that it is, or is a snapshot of. */
  readonly volume: string;
  /** Empty for a volume. */
  readonly createdAt: string;
  readonly snapshot: string;
}

const PREFIX = "rootloom/";

/** Puts the marker in place of the one before, at once. */
export async function markVolume(
  found: LogicalVolume,
  marker: Pick<LvmMarker, "filesystem" | "filesystemUuid" | "volume"> &
    Partial<Pick<LvmMarker, "createdAt" | "snapshot">>,
  working: Working,
): Promise<void> {
  const { filesystem, filesystemUuid, volume, createdAt = "", snapshot = "" } = marker;
  const tail = snapshot === "" ? [] : [createdAt, snapshot];
  const tag = `${PREFIX}${[working.instance, found.uuid, filesystem, filesystemUuid, volume, ...tail].join("/")}`;
  const old = found.tags.filter((each) => each.startsWith(PREFIX) && each !== tag);
  const removals = old.flatMap((each) => ["--deltag", each]);
  await lvm(working, ["lvchange", ...removals, "--addtag", tag, `${found.group}/${found.name}`]);
}

/** The marker of a logical volume: undefined when it has none that can be read, or several. */
export function markerOf({ tags }: LogicalVolume): LvmMarker | undefined {
  const [tag, second] = tags.filter((each) => each.startsWith(PREFIX));
  if (tag === undefined || second !== undefined) return undefined;
  const [instance, uuid, filesystem, filesystemUuid, volume, createdAt = "", snapshot = ""] = tag
    .slice(PREFIX.length)
    .split("/");
  if (instance === undefined || uuid === undefined || filesystem === undefined) return undefined;
  if (filesystemUuid === undefined || volume === undefined) return undefined;
  return { instance, uuid, filesystem, filesystemUuid, volume, createdAt, snapshot };
}

/** Why a logical volume was not made by this installation: completes "it is ..."; undefined when it was. */
export function whyAlien(found: LogicalVolume, { instance }: Pick<Looking, "instance">): string | undefined {
  const marker = markerOf(found);
  if (marker === undefined)
    return found.tags.some((tag) => tag.startsWith(PREFIX))
      ? "marked by something that cannot be read"
      : "not made by Rootloom";
  if (marker.instance !== instance) return `made by another installation (${marker.instance.slice(0, 8)})`;
  return marker.uuid === found.uuid ? undefined : "a copy: its marker names another object";
}

/** Why it is not this volume; undefined when it is. */
export function whyForeign(found: LogicalVolume, volume: VolumeSubject, looking: Looking): string | undefined {
  const alien = whyAlien(found, looking);
  const marker = markerOf(found);
  if (alien !== undefined || marker === undefined) return alien;
  if (marker.snapshot !== "") return `a snapshot of volume ${marker.volume}`;
  return marker.volume === volume.name ? undefined : `marked as volume ${marker.volume}`;
}
