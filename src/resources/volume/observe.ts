import { posix } from "node:path";
import type { OwnedRecord, VolumeResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { checkHostPath, checkPlace, isWithin } from "../limits.ts";
import { OWN_FOLDER, sameFilesystem } from "../marker.ts";
import { detail } from "../owned.ts";
import type { ObserveContext, Observer } from "../types.ts";
import { type Device, type Looking, NO_DEVICE, type VolumeBackend, type VolumeSubject } from "./backends/backend.ts";
import { backends } from "./backends/index.ts";
import { NO_MOUNT, observeMount, type VolumeMount } from "./mounted.ts";
import { resolveOwnership } from "./owner.ts";
import { standing } from "./top.ts";

/** A volume as it is: its device, what is mounted at its path, and the top of its content. */
export interface ObservedVolume extends Omit<Device, "sources"> {
  /** Where its content is reached. */
  readonly path: string;
  /** What a person calls the device: a dataset, an image file; the path itself for a directory. */
  readonly place: string;
  /** Why nothing may be done here at all; empty when something may. */
  readonly refusal: string;
  readonly hint: string;
  /** True where a size is a quota, which may also be lowered. */
  readonly shrinks: boolean;
  readonly mount: VolumeMount;
  /** Whether the content at the path carries our marker; `unseen` while it is not mounted. */
  readonly top: "ours" | "unmarked" | "unseen";
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  /** Numbers of the declared owner and group; undefined when the host has no such name. */
  readonly wanted: { readonly owner: number; readonly group: number } | undefined;
  /** Why it cannot be created here; looked for only where it is absent. */
  readonly obstacle: { readonly why: string; readonly hint: string; readonly passing: boolean } | undefined;
  /** True when the place is on another filesystem than the recorded volume was: that one is not mounted. */
  readonly moved: boolean;
  /** Roots inside that are to be kept; looked for only when the volume is to go. */
  readonly retained: readonly string[];
}

export const volumeObserver: Observer<"volume"> = { observe, observeRemoved };

/** What a record remembers of a volume, enough for its backend to find it. */
export function subjectOf(record: OwnedRecord): VolumeSubject {
  const backend = detail(record, "backend") as VolumeSubject["backend"];
  return { name: record.name, backend, path: detail(record, "path"), device: detail(record, "device") };
}

/** Why the host's limits forbid a volume, asked of its path and of everything that its backend takes. */
export function checkLimits(volume: VolumeSubject, { host, limits, state }: Looking): ReturnType<typeof checkHostPath> {
  for (const { type, value } of [
    { type: "path", value: volume.path } as const,
    ...(backends[volume.backend]?.places(volume) ?? []),
  ]) {
    const refused = type === "path" ? checkHostPath(host.files, value, limits, state) : checkPlace(type, value, limits);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

/** The directory whose filesystem holds the volume itself; empty where it stands on none. */
export function parentOf(volume: VolumeSubject): string {
  const place = backends[volume.backend]?.places(volume).find(({ type }) => type === "path")?.value;
  return place === undefined ? "" : posix.dirname(place);
}

async function observe(
  resource: VolumeResource,
  owned: OwnedRecord | undefined,
  context: ObserveContext,
): Promise<ObservedVolume> {
  const { files } = context.host;
  const wanted = resolveOwnership(files, resource.ownership);
  const backend = backends[resource.backend];
  if (backend === undefined)
    return {
      ...blind(
        resource,
        `backend ${resource.backend} is not built yet`,
        "use `backend: directory`, which needs nothing but a path",
      ),
      wanted,
    };
  const refused = checkLimits(resource, context);
  if (refused !== undefined) return { ...blind(resource, refused.message, refused.hint ?? ""), wanted };
  const device = await backend.observe(resource, context);
  const isAbsent = device.state === "absent";
  return {
    ...look(resource, backend, device, context),
    wanted,
    obstacle: isAbsent ? await obstacle(resource, backend, context) : undefined,
    moved: isAbsent && hasMoved(resource, owned, files),
  };
}

async function observeRemoved(record: OwnedRecord, context: ObserveContext): Promise<ObservedVolume> {
  const { files } = context.host;
  const volume = subjectOf(record);
  const backend = backends[volume.backend];
  if (backend === undefined)
    return blind(volume, `backend ${volume.backend} is not built`, "use the release that made it");
  const refused = checkLimits(volume, context);
  const observed = look({ ...volume, mountOptions: [] }, backend, await backend.observe(volume, context), context);
  const trees = files.list(posix.join(volume.path, OWN_FOLDER, "trees")) ?? [];
  const names = trees.flatMap((file) => (isTreeMarker(file) ? [file.slice(0, -".json".length)] : []));
  const retained = names.filter((name) => context.owned(`tree/${name}`)?.onDelete !== "destroy");
  return {
    ...observed,
    refusal: refused?.message ?? "",
    hint: refused?.hint ?? "",
    retained: observed.state === "ours" && observed.top === "ours" ? retained : [],
  };
}

/** `NAME.json` is a tree's marker; `NAME.laid.json` is the list of the files laid into it. */
export function isTreeMarker(file: string): boolean {
  return file.endsWith(".json") && !file.endsWith(".laid.json");
}

function look(
  volume: VolumeSubject & Pick<VolumeResource, "mountOptions">,
  { mounts, shrinks }: VolumeBackend,
  { sources, ...device }: Device,
  context: ObserveContext,
): ObservedVolume {
  const { files } = context.host;
  const isOurs = device.state === "ours";
  const mount = mounts ? observeMount(files, volume, { sources }) : NO_MOUNT;
  const isSeen = !mounts || mount.state === "mounted";
  const { state, mode, owner, group } = standing(volume.path, volume.name, context, files);
  const top = !isSeen || !isOurs ? "unseen" : state === "ours" ? "ours" : "unmarked";
  return { ...blind(volume, "", ""), ...device, shrinks, mount, top, mode, owner, group };
}

function blind(volume: VolumeSubject, refusal: string, hint: string): ObservedVolume {
  const { sources: _, ...device } = NO_DEVICE;
  return {
    ...device,
    path: volume.path,
    place: volume.device === "" ? volume.path : volume.device,
    refusal,
    hint,
    shrinks: false,
    mount: NO_MOUNT,
    top: "unseen",
    mode: 0,
    owner: 0,
    group: 0,
    wanted: undefined,
    obstacle: undefined,
    moved: false,
    retained: [],
  };
}

async function obstacle(resource: VolumeResource, backend: VolumeBackend, context: ObserveContext) {
  const own = await backend.obstacle(resource, context);
  if (own !== undefined || !backend.mounts) return own;
  const parent = posix.dirname(resource.path);
  if (isWithin(parent, context.state) || isDirectory(context.host.files, parent)) return undefined;
  return { why: `its mount point's directory ${parent} is not there`, hint: `make ${parent}`, passing: true };
}

function hasMoved(resource: VolumeSubject, owned: OwnedRecord | undefined, files: Files): boolean {
  const recorded = detail(owned, "filesystem");
  const parent = parentOf(resource);
  if (recorded === "" || parent === "" || !isDirectory(files, parent)) return false;
  return !sameFilesystem(recorded, files.filesystemIdentity(parent));
}

function isDirectory(files: Files, path: string): boolean {
  return files.stat(files.realPath(path) ?? path)?.type === "directory";
}
