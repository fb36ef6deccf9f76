import type { TreePath } from "../core/entry.ts";
import type { JobMap } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { type Change, differences, whatDrifted } from "./differences.ts";
import { readManifest } from "./manifest.ts";
import { isWithin } from "./paths.ts";
import { scanEntries } from "./scan-layer.ts";
import { wholeOptions, wholeTree } from "./whole-tree.ts";

const PATHS_MAX = 1_000;

/** Reads a tree and its record side by side; extended attributes are read with them. */
export function scanForDrift(context: JobContext, input: JobMap["drift"]["input"]): JobMap["drift"]["output"] {
  // Attributes are asked for only here: setting one changes the ctime that a look sees.
  const options = { ...wholeOptions(input), attributes: "values" } as const;
  const { entries, mountPoints } = scanEntries(context, wholeTree(input), options);
  const leftOut = new Set(input.leaveOut);
  // A mount point comes before all that stands below it.
  const isHidden = (path: TreePath) => [...mountPoints].some((mountPoint) => isWithin(path, mountPoint));
  const paths: { path: TreePath; change: Change; what: string }[] = [];
  let count = 0;
  for (const each of differences(readManifest(context.files, input.manifest), entries, whatDrifted)) {
    if (leftOut.has(each.path) || (each.change !== "added" && isHidden(each.path))) continue;
    count++;
    if (paths.length < PATHS_MAX) paths.push({ path: each.path, change: each.change, what: each.what });
  }
  return { count, paths };
}
