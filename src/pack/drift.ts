import type { JobMap } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { lookAtLayer } from "./look.ts";
import { remembered, type Seen } from "./remembered.ts";
import { wholeOptions, wholeTree } from "./whole-tree.ts";

/**
 * What a tree holds now, against what was recorded. What stands below a mount point is not seen, so it has not changed.
 * Where tree and record are as they were, nothing is loaded but what says so.
 */
export async function findDrift(
  context: JobContext,
  input: JobMap["drift"]["input"],
): Promise<JobMap["drift"]["output"]> {
  const { path, identity, leaveOut, manifest, looked } = input;
  const question = { what: "drift", version: 3, path, identity, leaveOut, manifest };
  // Tree and manifest as they were: the answer is as it was. The manifest is looked at before it is read.
  const stamp = context.files.stat(manifest)?.stamp ?? "";
  const sight = (seen: Seen): Seen => ({ ...seen, digest: `${seen.digest} ${stamp}` });
  const look = () => sight(lookAtLayer(context, wholeTree(input), wholeOptions(input)));
  return remembered(context, input.cache, question, looked ? sight(looked) : look(), {
    answer: async () => (await import("./drift-scan.ts")).scanForDrift(context, input),
    look,
  });
}
