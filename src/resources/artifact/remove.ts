import { RootloomError } from "../../core/error.ts";
import { checkHostPath, isWithin } from "../limits.ts";
import { detail } from "../owned.ts";
import type { ApplyContext, Executor, OpenEffect } from "../types.ts";
import { sweepVolume } from "../volume/index.ts";
import { requireOurs, sweepBuilds, sweepTemporaries, temporaryPlace } from "./directory.ts";
import { mountedGenerations } from "./mounted.ts";
import { whoseIs } from "./observe.ts";

/** Removes the directory with all generations; only when it is still ours and nothing is mounted in it. */
export const deleteArtifact: Executor<"artifact.delete"> = async (step, context) => {
  const path = detail(step.arguments.record, "path");
  if (context.host.files.stat(path) === undefined) return { record: undefined, result: "gone already" };
  requireOurs(path, context);
  await context.effect("artifact.delete", { path }, () => removeWhole(path, step.arguments.record.name, context));
  return { record: undefined, result: `deleted with all its generations: ${path}` };
};

/**
 * Moved out of its place before anything of it goes: whoever reads it has a whole image or none, and what a kill leaves
 * is swept by the recovery, or when an image of that name is made.
 */
function removeWhole(path: string, name: string, context: ApplyContext): void {
  const { files } = context.host;
  const mounted = files.mounts().find(({ target }) => isWithin(target, path));
  if (mounted !== undefined)
    throw new RootloomError(`cannot delete ${path}: something is mounted at ${mounted.target}`, {
      hint: `umount ${mounted.target}`,
      retry: "waiting",
      condition: "Mounted",
    });
  const [generation] = mountedGenerations(files, path);
  if (generation !== undefined)
    throw new RootloomError(`cannot delete ${path}: its generation ${generation} is mounted somewhere`, {
      hint: "unmount it: rootloom unmount --all; a shell in a root that mounts it has to end",
      retry: "waiting",
      condition: "Mounted",
    });
  requireOurs(path, context);
  const aside = temporaryPlace({ path, name }, context);
  files.rename(path, aside);
  const { state, whose } = whoseIs(aside, context);
  if (state !== "ours") {
    // It was exchanged between the look and the rename.
    files.rename(aside, path);
    throw new RootloomError(`cannot delete ${path}: it is ${whose}`, {
      hint: "look at it; the next pass observes it again",
    });
  }
  sweepTemporaries(files, { path, name }, context.instance);
}

/**
 * A kill leaves either a build beside, which is swept, or a placed generation that `current` does not
 * name yet: the next pass finds it whole under its key and switches. Nothing has to be undone.
 */
export async function recoverArtifact(open: OpenEffect, context: ApplyContext): Promise<void> {
  if (open.effect === "artifact.read-snapshot") return sweepVolume(open, context);
  const record = context.owned(open.stepId);
  const path = detail(record, "path");
  const { host, limits, state } = context;
  if (path === "" || checkHostPath(host.files, path, limits, state) !== undefined) return;
  sweepTemporaries(host.files, { path, name: record?.name ?? "" }, context.instance);
  if (whoseIs(path, context).state === "ours") sweepBuilds(host.files, path);
}
