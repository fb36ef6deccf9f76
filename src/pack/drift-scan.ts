import type { TreePath } from "../core/entry.ts";
import type { JobMap } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { ATTRIBUTES, type Change, differences, whatDiffers } from "./differences.ts";
import { readManifest } from "./manifest.ts";
import { isWithin } from "./paths.ts";
import type { ManifestEntry } from "./types.ts";
import { scanWhole } from "./whole-scan.ts";

const PATHS_MAX = 1_000;

/** Reads a tree and its record side by side. */
export function scanForDrift(context: JobContext, input: JobMap["drift"]["input"]): JobMap["drift"]["output"] {
  const { entries, mountPoints } = scanWhole(context, input);
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

/** What a correction would change: attributes of a file with one name, where both sides were looked at. */
function whatDrifted(before: ManifestEntry, after: ManifestEntry): string {
  const what = whatDiffers(before, after);
  const sides = [before, after];
  const isAsked = sides.every((side) => side.attributes !== undefined && side.linkSet === "" && side.type === "file");
  if (!isAsked || before.attributes === after.attributes) return what;
  return what === "" ? ATTRIBUTES : `${what}, ${ATTRIBUTES}`;
}
