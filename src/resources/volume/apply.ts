import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { OwnedRecord, VolumeResource } from "../../core/resource.ts";
import type { Files, MountEntry } from "../../host/ports.ts";
import { isWithin } from "../limits.ts";
import { OWN_FOLDER } from "../marker.ts";
import { recordOf } from "../owned.ts";
import type { ApplyContext, Executor, Outcome } from "../types.ts";
import type { Device, VolumeBackend, VolumeSubject } from "./backends/backend.ts";
import { backendOf } from "./backends/index.ts";
import { cloneVolume } from "./clone.ts";
import { correct, remount } from "./correct.ts";
import { destroy } from "./destroy.ts";
import { volumeInputs } from "./differences.ts";
import { mountOf } from "./mounted.ts";
import { checkLimits, isTreeMarker, type ObservedVolume, parentOf, subjectOf } from "./observe.ts";
import { requireOwnership } from "./owner.ts";

/** Makes the device under a name of our own, marks it, renames it into place, and mounts it where it needs that. */
export const createVolume: Executor<"volume.create"> = async (step, context) => {
  const { resource } = step.arguments;
  const backend = backendOf(resource);
  check(resource, context);
  const found = await backend.observe(resource, context);
  if (found.state === "foreign") throw inTheWay(resource, found.what);
  const made =
    found.state === "absent"
      ? await context.effect("volume.create", { ...describe(resource) }, () => make(resource, context))
      : { result: "found complete, and recorded", notes: [] };
  return { ...outcome(resource, await correct(resource, context), context, made.result), notes: made.notes };
};

/** Makes it as a clone where it is declared for one and can be, else empty. */
async function make(
  resource: VolumeResource,
  context: ApplyContext,
): Promise<{ readonly result: string; readonly notes: readonly string[] }> {
  const { cloneOf } = resource;
  const cloned = cloneOf === undefined ? undefined : await cloneVolume(resource, cloneOf, context);
  if (cloned !== undefined && "means" in cloned)
    return { result: `created as a ${cloned.means} of ${cloneOf?.volume.id}`, notes: [] };
  await backendOf(resource).create(resource, context);
  if (cloned === undefined) return { result: "created", notes: [] };
  return { result: "created", notes: [`${cloneOf?.tree.id} is copied into it file by file: ${cloned.why}`] };
}

/** Marks what a person said is ours from now on; its content stays, and what differs is corrected. */
export const adoptVolume: Executor<"volume.adopt"> = async (step, context) => {
  const { resource } = step.arguments;
  const backend = backendOf(resource);
  check(resource, context);
  const { state, unadoptable } = await backend.observe(resource, context);
  if (state === "absent" || unadoptable !== "")
    throw new RootloomError(
      `cannot adopt volume ${resource.name}: ${state === "absent" ? "it is not there" : unadoptable}`,
      { hint: "plan again" },
    );
  await context.effect("volume.adopt", describe(resource), () => backend.mark(resource, context));
  return outcome(resource, await correct(resource, context), context, "adopted");
};

/** Mounts, resizes, labels, marks, corrects owner and mode: whatever differs; writes a record that was lost or has another policy. */
export const updateVolume: Executor<"volume.update"> = async (step, context) => {
  const { resource } = step.arguments;
  const owned = context.owned(resource.id);
  check(resource, context);
  const observed = await correct(resource, context);
  const { mountOptions } = volumeInputs(resource, requireOwnership(context.host.files, resource));
  if (owned !== undefined && (owned.inputs.mountOptions ?? "") !== mountOptions) await remount(resource, context);
  return outcome(resource, observed, context, `updated: ${step.reason}`);
};

/** Unmounts it, and removes it with all in it; refused when anything of it is not ours to remove. */
export const deleteVolume: Executor<"volume.delete"> = async (step, context) => {
  const { record } = step.arguments;
  const volume = subjectOf(record);
  const backend = backendOf(volume);
  check(volume, context);
  const found = await backend.observe(volume, context);
  const place = placeOf(volume);
  if (found.state === "absent") return { record: undefined, result: "found gone already" };
  if (found.state !== "ours") throw notOurs(volume, found);
  requireNothingKept(volume, backend, context.host.files);
  const entry = requireMount(volume, backend, found, context);
  await backend.requireRemovable(volume, context);
  if (entry !== undefined) await requireNoVolumeInside(volume, context);
  // One effect: killed between the two, nobody could see in the unmounted volume whether it may go.
  await context.effect("volume.delete", describe(volume), async () => {
    if (entry !== undefined) await backend.detach(volume, entry, context);
    // Unmounting may have waited, and something else may stand there by now.
    await requireOurs(volume, backend, context);
    await destroy(volume, backend, context);
  });
  return { record: undefined, result: `deleted with all data ${volume.device === "" ? "below" : "of"} ${place}` };
};

export const volumeExecutors = {
  "volume.create": createVolume,
  "volume.adopt": adoptVolume,
  "volume.update": updateVolume,
  "volume.delete": deleteVolume,
};

function describe({ name, backend, path, device }: VolumeSubject): VolumeSubject {
  return { name, backend, path, device };
}

function check(volume: VolumeSubject, context: ApplyContext): void {
  const refused = checkLimits(volume, context);
  if (refused !== undefined) throw refused;
}

/** The mount that is to go with the volume: what is not mounted cannot be looked into. */
function requireMount(
  volume: VolumeSubject,
  { mounts }: VolumeBackend,
  device: Device,
  { host }: ApplyContext,
): MountEntry | undefined {
  if (!mounts) return undefined;
  const entry = mountOf(host.files, volume.path, device);
  if (entry === undefined)
    throw new RootloomError(`cannot delete volume ${volume.name}: it is not mounted at ${volume.path}, or not alone`, {
      hint: "plan again",
    });
  const elsewhere = host.files.mounts().find(({ id, source }) => device.sources.includes(source) && id !== entry.id);
  if (elsewhere === undefined) return entry;
  throw new RootloomError(`cannot delete volume ${volume.name}: it is also mounted at ${elsewhere.target}`, {
    hint: `umount ${elsewhere.target}`,
    retry: "waiting",
    condition: "Mounted",
  });
}

/** What goes with its device is never walked through: a volume in it that was forgotten with its data is looked for here. */
async function requireNoVolumeInside({ path }: VolumeSubject, { host }: ApplyContext): Promise<void> {
  const { inode = 0 } = host.files.stat(path) ?? {};
  await host.jobs.run("remove", { path, inode, spareVolumes: true, lookOnly: true });
}

async function requireOurs(volume: VolumeSubject, backend: VolumeBackend, context: ApplyContext): Promise<void> {
  const found = await backend.observe(volume, context);
  if (found.state !== "ours") throw notOurs(volume, found);
}

function notOurs(volume: VolumeSubject, { state, what }: Device): RootloomError {
  const is = state === "absent" ? "gone" : what;
  return new RootloomError(`cannot delete volume ${volume.name}: ${placeOf(volume)} is ${is}`, { hint: "plan again" });
}

function placeOf({ device, path }: VolumeSubject): string {
  return device === "" ? path : device;
}

function requireNothingKept(volume: VolumeSubject, { mounts }: VolumeBackend, files: Files): void {
  const { name, path } = volume;
  const trees = (files.list(posix.join(path, OWN_FOLDER, "trees")) ?? []).filter(isTreeMarker);
  if (trees.length > 0)
    throw new RootloomError(
      `cannot delete volume ${name}: it still holds ${trees.join(", ").replaceAll(".json", "")}`,
      { hint: "remove its roots first, or `rootloom forget` it" },
    );
  const own = mounts ? (files.realPath(path) ?? path) : "";
  const mounted = files.mounts().find(({ target }) => isWithin(target, path) && target !== own);
  if (mounted !== undefined)
    throw new RootloomError(`cannot delete volume ${name}: something is mounted at ${mounted.target}`, {
      hint: `umount ${mounted.target}`,
      retry: "waiting",
      condition: "Mounted",
    });
}

function inTheWay(resource: VolumeResource, what: string): RootloomError {
  return new RootloomError(`cannot create volume ${resource.name}: ${placeOf(resource)} is ${what}`, {
    hint: `rootloom adopt ${resource.id}, or move it away`,
  });
}

function outcome(
  resource: VolumeResource,
  { identity }: ObservedVolume,
  context: ApplyContext,
  result: string,
): Outcome {
  const { files, clock } = context.host;
  const { path, backend, device } = resource;
  const { runId, revision } = context;
  const parent = parentOf(resource);
  const record: OwnedRecord = recordOf(
    resource,
    { runId, revision, now_ms: clock.now_ms() },
    {
      inputs: { ...volumeInputs(resource, requireOwnership(files, resource)) },
      details: {
        path,
        backend,
        device,
        identity,
        filesystem: parent === "" ? "" : files.filesystemIdentity(parent),
        inode: files.stat(path)?.inode ?? 0,
      },
    },
  );
  return { record, result };
}
