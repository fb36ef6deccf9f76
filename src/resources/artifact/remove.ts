import { RootloomError } from "../../core/error.ts";
import { checkHostPath } from "../limits.ts";
import { removeMarked, requireOurs, sweepTemporaries, sweepWork, whoseIs } from "../marked.ts";
import { detail } from "../owned.ts";
import type { ApplyContext, Executor, OpenEffect } from "../types.ts";
import { sweepVolume } from "../volume/index.ts";
import { mountedGenerations } from "./mounted.ts";

/** Removes the directory with all generations; only when it is still ours and nothing is mounted in it. */
export const deleteArtifact: Executor<"artifact.delete"> = async (step, context) => {
  const path = detail(step.arguments.record, "path");
  if (context.host.files.stat(path) === undefined) return { record: undefined, result: "gone already" };
  requireOurs(path, context);
  await context.effect("artifact.delete", { path }, () => removeWhole(path, step.arguments.record.name, context));
  return { record: undefined, result: `deleted with all its generations: ${path}` };
};

/** Not while a generation of it is mounted anywhere. */
async function removeWhole(path: string, name: string, context: ApplyContext): Promise<void> {
  const [generation] = mountedGenerations(context.host.files, path);
  if (generation !== undefined)
    throw new RootloomError(`cannot delete ${path}: its generation ${generation} is mounted somewhere`, {
      hint: "unmount it: rootloom unmount --all; a shell in a root that mounts it has to end",
      retry: "waiting",
      condition: "Mounted",
    });
  await removeMarked({ kind: "artifact", name, path }, context);
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
  await sweepTemporaries({ kind: "artifact", name: record?.name ?? "", path }, context);
  if (whoseIs(path, context).state === "ours") await sweepWork(path, context);
}
