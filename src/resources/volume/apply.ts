import { posix } from "node:path";
import { RootloomError } from "../../core/error.ts";
import type { VolumeResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { checkHostPath, isWithin } from "../limits.ts";
import { identityOf, OWN_FOLDER, writeMarker } from "../marker.ts";
import { detail, recordOf, shortRun } from "../owned.ts";
import type { ApplyContext, Executor, Outcome } from "../types.ts";
import { isTreeMarker, standing, volumeMarkerPath } from "./observe.ts";
import { resolveOwnership } from "./owner.ts";
import { octal } from "./plan.ts";

/** Makes the directory under a name of our own, marks it, and renames it into place. */
export const createVolume: Executor<"volume.create"> = async (step, context) => {
  const { resource } = step.arguments;
  const { files } = context.host;
  check(resource, context);
  const found = standing(resource.path, resource.name, context, files);
  if (found.state === "foreign") throw inTheWay(resource, found.what);
  if (found.state === "ours") return outcome(resource, context, "found complete, and recorded");
  const temporary = temporaryPath(resource, context);
  await context.effect("volume.create", { path: resource.path, temporary }, () => {
    makeParent(resource, context);
    sweep(resource, context);
    makeMarked(resource, temporary, context);
    if (files.stat(resource.path) !== undefined) throw inTheWay(resource, "something that appeared meanwhile");
    files.rename(temporary, resource.path);
  });
  return outcome(resource, context, "created");
};

/** Marks a directory that a person said is ours from now on; its content and attributes stay. */
export const adoptVolume: Executor<"volume.adopt"> = async (step, context) => {
  const { resource } = step.arguments;
  check(resource, context);
  if (context.host.files.stat(resource.path)?.type !== "directory")
    throw new RootloomError(`cannot adopt volume ${resource.name}: ${resource.path} is no directory`, {
      hint: "plan again",
    });
  await context.effect("volume.adopt", { path: resource.path }, () => {
    mark(resource, resource.path, context, true);
    correct(resource, context);
  });
  return outcome(resource, context, "adopted");
};

/** Corrects owner and mode of the top, and writes a record that was lost or has another policy. */
export const updateVolume: Executor<"volume.update"> = async (step, context) => {
  const { resource } = step.arguments;
  check(resource, context);
  requireOurs(resource.path, resource.name, context, "update");
  await context.effect("volume.update", { path: resource.path }, () => correct(resource, context));
  return outcome(resource, context, `updated: ${step.reason}`);
};

/** Removes the directory with all below it; refused when anything of it is not ours to remove. */
export const deleteVolume: Executor<"volume.delete"> = async (step, context) => {
  const { record } = step.arguments;
  const { files } = context.host;
  const path = detail(record, "path");
  const refused = checkHostPath(files, path, context.limits, context.state);
  if (refused !== undefined) throw refused;
  if (files.stat(path) === undefined) return { record: undefined, result: "found gone already" };
  const { inode } = requireOurs(path, record.name, context, "delete");
  requireNothingKept(path, record.name, files);
  await context.effect("volume.delete", { path, inode }, async () => {
    await context.host.jobs.run("remove", { path, inode, spareVolumes: true });
  });
  return { record: undefined, result: `deleted with all data below ${path}` };
};

export const volumeExecutors = {
  "volume.create": createVolume,
  "volume.adopt": adoptVolume,
  "volume.update": updateVolume,
  "volume.delete": deleteVolume,
};

function check(resource: VolumeResource, context: ApplyContext): void {
  const refused = checkHostPath(context.host.files, resource.path, context.limits, context.state);
  if (refused !== undefined) throw refused;
}

function temporaryPrefix(context: ApplyContext): string {
  return `.rootloom-${context.instance.slice(0, 8)}-`;
}

function temporaryPath(resource: VolumeResource, context: ApplyContext): string {
  const name = `${temporaryPrefix(context)}${shortRun(context.runId)}-${resource.name}`;
  return posix.join(posix.dirname(resource.path), name);
}

function makeParent(resource: VolumeResource, context: ApplyContext): void {
  const parent = posix.dirname(resource.path);
  if (isWithin(parent, context.state)) context.host.files.makeDirectories(parent);
  else if (context.host.files.realPath(parent) === undefined)
    throw new RootloomError(`cannot create volume ${resource.name}: its parent directory ${parent} is not there`, {
      hint: `make or mount ${parent}`,
    });
}

/** Removes what interrupted creations of this volume left: directories that hold nothing but our own folder. */
function sweep(resource: VolumeResource, context: ApplyContext): void {
  const { files } = context.host;
  const parent = posix.dirname(resource.path);
  for (const name of files.list(parent) ?? []) {
    if (!name.startsWith(temporaryPrefix(context)) || !name.endsWith(`-${resource.name}`)) continue;
    const path = posix.join(parent, name);
    const stat = files.stat(path);
    const foreign = (files.list(path) ?? []).some((entry) => entry !== OWN_FOLDER);
    if (stat?.type === "directory" && !foreign) files.removeTree(path, stat.inode);
  }
}

function makeMarked(resource: VolumeResource, temporary: string, context: ApplyContext): void {
  const { files } = context.host;
  files.makeDirectory(temporary, { ...wanted(resource, files), mode: resource.mode });
  mark(resource, temporary, context, false);
  files.syncFilesystem(temporary);
}

function mark(resource: VolumeResource, path: string, context: ApplyContext, adopted: boolean): void {
  const { files, clock } = context.host;
  const folder = posix.join(path, OWN_FOLDER);
  const stat = files.stat(folder);
  if (stat !== undefined && stat.type !== "directory")
    throw new RootloomError(`cannot mark volume ${resource.name}: ${folder} is a ${stat.type}`, {
      hint: `move ${folder} away`,
    });
  if (stat === undefined) files.makeDirectory(folder, { owner: 0, group: 0, mode: 0o700 });
  writeMarker(files, volumeMarkerPath(path), {
    version: 1,
    instance: context.instance,
    kind: "volume",
    name: resource.name,
    identity: identityOf(files, path),
    runId: context.runId,
    createdAt: new Date(clock.now_ms()).toISOString(),
    inputs: {},
    details: { backend: resource.backend, adopted },
  });
}

function correct(resource: VolumeResource, context: ApplyContext): void {
  const { files } = context.host;
  const stat = files.stat(resource.path);
  const { owner, group } = wanted(resource, files);
  if (stat?.owner === owner && stat.group === group && stat.mode === resource.mode) return;
  files.setAttributes(resource.path, { owner, group, mode: resource.mode });
}

function wanted(resource: VolumeResource, files: Files): { readonly owner: number; readonly group: number } {
  const numbers = resolveOwnership(files, resource.ownership);
  if (numbers !== undefined) return numbers;
  const { owner, group } = resource.ownership;
  throw new RootloomError(`cannot set the owner of volume ${resource.name}: no user or group ${owner}:${group}`, {
    hint: "create them, or use numbers",
  });
}

function requireOurs(path: string, name: string, context: ApplyContext, verb: string): { readonly inode: number } {
  const found = standing(path, name, context, context.host.files);
  if (found.state === "ours") return found;
  const why = found.state === "absent" ? "is not there" : `is ${found.what}`;
  throw new RootloomError(`cannot ${verb} volume ${name}: ${path} ${why}`, { hint: "plan again" });
}

function requireNothingKept(path: string, name: string, files: Files): void {
  const trees = (files.list(posix.join(path, OWN_FOLDER, "trees")) ?? []).filter(isTreeMarker);
  if (trees.length > 0)
    throw new RootloomError(
      `cannot delete volume ${name}: it still holds ${trees.join(", ").replaceAll(".json", "")}`,
      {
        hint: "remove its roots first, or `rootloom forget` it",
      },
    );
  const mounted = files.mounts().find((mount) => isWithin(mount.target, path));
  if (mounted !== undefined)
    throw new RootloomError(`cannot delete volume ${name}: something is mounted at ${mounted.target}`, {
      hint: `umount ${mounted.target}`,
      retry: "waiting",
      condition: "Mounted",
    });
}

function inTheWay(resource: VolumeResource, what: string): RootloomError {
  return new RootloomError(`cannot create volume ${resource.name}: ${resource.path} is ${what}`, {
    hint: `rootloom adopt ${resource.id}, or move it away`,
  });
}

function outcome(resource: VolumeResource, context: ApplyContext, result: string): Outcome {
  const { files, clock } = context.host;
  const { owner, group } = wanted(resource, files);
  const { filesystem, inode } = identityOf(files, resource.path);
  const { runId, revision } = context;
  const record = recordOf(
    resource,
    { runId, revision, now_ms: clock.now_ms() },
    {
      inputs: { mode: octal(resource.mode), owner: `${owner}:${group}` },
      details: { path: resource.path, backend: resource.backend, filesystem, inode },
    },
  );
  return { record, result };
}
