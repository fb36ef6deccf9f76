import { posix } from "node:path";
import type { EntryType } from "../../core/entry.ts";
import type { OwnedRecord, VolumeResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { checkHostPath, isWithin } from "../limits.ts";
import { type Marker, OWN_FOLDER, ownership, readMarker, sameFilesystem } from "../marker.ts";
import { detail } from "../owned.ts";
import type { ObserveContext, Observer, Places } from "../types.ts";
import { resolveOwnership } from "./owner.ts";

export interface ObservedVolume {
  readonly state: "absent" | "ours" | "foreign";
  readonly path: string;
  /** Why nothing may be done here at all; empty when something may. */
  readonly refusal: string;
  readonly hint: string;
  /** What stands at the path, for people: `a directory with 12 entries, not made by Rootloom`; empty when absent. */
  readonly what: string;
  readonly type: EntryType | "nothing";
  readonly inode: number;
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  /** Numbers of the declared owner and group; undefined when the host has no such name. */
  readonly wanted: { readonly owner: number; readonly group: number } | undefined;
  /** False when the directory above is missing and we may not make it. */
  readonly parent: boolean;
  /** True when the place is on another filesystem than the recorded volume was: that one is not mounted. */
  readonly moved: boolean;
  /** Roots inside that are to be kept; looked for only when the volume is to go. */
  readonly retained: readonly string[];
}

export const volumeObserver: Observer<"volume"> = {
  observe: async (resource, owned, context) => observe(resource, owned, context),
  observeRemoved: async (record, context) => observeRemoved(record, context),
};

/** `PATH/.rootloom/volume.json`. */
export function volumeMarkerPath(path: string): string {
  return posix.join(path, OWN_FOLDER, "volume.json");
}

/** What stands at a volume's path, and whose it is. */
export function standing(
  path: string,
  name: string,
  places: Places,
  files: Files,
): Pick<ObservedVolume, "state" | "what" | "type" | "inode" | "mode" | "owner" | "group"> {
  const stat = files.stat(path);
  if (stat === undefined) return { state: "absent", what: "", type: "nothing", inode: 0, mode: 0, owner: 0, group: 0 };
  const { type, inode, mode, owner, group } = stat;
  if (type !== "directory") return { state: "foreign", what: describe(type, 0), type, inode, mode, owner, group };
  const marker = readMarker(files, volumeMarkerPath(path));
  const whose = ownership(marker, places.instance, inode, files.filesystemIdentity(path), stat.born);
  const state = whose.verdict === "ours" && (marker as Marker).name === name ? "ours" : "foreign";
  const other = whose.verdict === "ours" ? `marked as volume ${(marker as Marker).name}` : whose.reason;
  const what = state === "ours" ? "" : `${describe(type, files.list(path)?.length ?? 0)}, ${other}`;
  return { state, what, type, inode, mode, owner, group };
}

function observe(resource: VolumeResource, owned: OwnedRecord | undefined, context: ObserveContext): ObservedVolume {
  const { files } = context.host;
  const base = { path: resource.path, wanted: resolveOwnership(files, resource.ownership), retained: [] };
  const nothing = { type: "nothing", inode: 0, mode: 0, owner: 0, group: 0 } as const;
  const blind = { ...base, ...nothing, state: "absent", what: "", parent: true, moved: false } as const;
  if (resource.backend !== "directory")
    return {
      ...blind,
      refusal: `backend ${resource.backend} is not built yet`,
      hint: "use `backend: directory`, which needs nothing but a path",
    };
  const refused = checkHostPath(files, resource.path, context.limits, context.state);
  if (refused !== undefined) return { ...blind, refusal: refused.message, hint: refused.hint ?? "" };
  const found = standing(resource.path, resource.name, context, files);
  const parentPath = posix.dirname(resource.path);
  const parentThere = files.stat(files.realPath(parentPath) ?? parentPath)?.type === "directory";
  const parent = parentThere || isWithin(parentPath, context.state);
  const recorded = detail(owned, "filesystem");
  const moved =
    found.state === "absent" &&
    recorded !== "" &&
    parentThere &&
    !sameFilesystem(recorded, files.filesystemIdentity(parentPath));
  return { ...base, ...found, refusal: "", hint: "", parent, moved };
}

function observeRemoved(record: OwnedRecord, context: ObserveContext): ObservedVolume {
  const { files } = context.host;
  const path = detail(record, "path");
  const refused = checkHostPath(files, path, context.limits, context.state);
  const found = standing(path, record.name, context, files);
  const trees = files.list(posix.join(path, OWN_FOLDER, "trees")) ?? [];
  const names = trees.flatMap((file) => (isTreeMarker(file) ? [file.slice(0, -".json".length)] : []));
  const retained = names.filter((name) => context.owned(`tree/${name}`)?.onDelete !== "destroy");
  return {
    ...found,
    path,
    refusal: refused?.message ?? "",
    hint: refused?.hint ?? "",
    wanted: undefined,
    parent: true,
    moved: false,
    retained: found.state === "ours" ? retained : [],
  };
}

/** `NAME.json` is a tree's marker; `NAME.laid.json` is the list of the files laid into it. */
export function isTreeMarker(file: string): boolean {
  return file.endsWith(".json") && !file.endsWith(".laid.json");
}

function describe(type: EntryType, entries: number): string {
  if (type === "directory") return `a directory with ${entries} ${entries === 1 ? "entry" : "entries"}`;
  return type === "symlink" ? "a symbolic link" : `a ${type}`;
}
