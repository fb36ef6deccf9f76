import type { JobMap } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { scanEntries } from "./scan-layer.ts";
import { wholeOptions, wholeTree } from "./whole-tree.ts";

/** All that a tree holds, with extended attributes. A look need not ask for those: setting one changes the ctime that it sees. */
export function scanWhole(
  context: JobContext,
  input: Pick<JobMap["record"]["input"], "path" | "identity" | "cache">,
): ReturnType<typeof scanEntries> {
  return scanEntries(context, wholeTree(input), { ...wholeOptions(input), attributes: "values" });
}
