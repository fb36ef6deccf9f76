import { checkHostPath } from "../limits.ts";
import { detail } from "../owned.ts";
import type { ApplyContext, OpenEffect } from "../types.ts";
import { linkAt } from "./observe.ts";

/**
 * A link that a killed step had made, and could not record, is taken away: nothing else tells that it is ours, should
 * another target be declared by now, or none. One that is declared still is made again in this pass.
 */
export async function recoverLink({ effect, stepId, details }: OpenEffect, context: ApplyContext): Promise<void> {
  const { path, target } = details;
  if (effect !== "link.write" || typeof path !== "string" || typeof target !== "string") return;
  // A recorded place is ours whatever the link in it leads to.
  if (detail(context.owned(stepId), "path") === path) return;
  const { files } = context.host;
  if (checkHostPath(files, path, context.limits, context.state) !== undefined) return;
  const found = linkAt(files, path);
  if (found.type === "symlink" && found.target === target) files.removeFile(path);
}
