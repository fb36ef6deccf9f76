import type { ApplyContext, OpenEffect } from "../types.ts";
import { isSourceOf } from "./match.ts";
import { isCopy, unmountTree } from "./unmount.ts";

/**
 * What a killed step had mounted, and could not record, is unmounted: nothing else tells that it is ours, should its
 * declaration be gone by now. One that is declared still is mounted again in this pass. Before its intent was written,
 * nothing stood at the target.
 */
export async function recoverMount({ effect, stepId, details }: OpenEffect, context: ApplyContext): Promise<void> {
  const { target, type, source } = details;
  if (effect !== "mount.mount" || context.owned(stepId) !== undefined) return;
  if (typeof type !== "string" || typeof source !== "string") return;
  const { files } = context.host;
  const mounts = files.mounts();
  const [entry, second] = mounts.filter((other) => other.target === target);
  if (entry === undefined || second !== undefined || !isSourceOf(files, mounts, { type, source }, entry)) return;
  await unmountTree(context, entry, isCopy);
}
