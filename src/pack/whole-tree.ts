import type { JobMap } from "../host/jobs.ts";
import { compileExcludes } from "./excludes.ts";

/** A tree as it is: all that it holds, with its own times. */
export function wholeTree({ path, identity }: JobMap["record"]["input"]) {
  return { type: "tree", name: "tree", path, identity, sourceDate_s: undefined } as const;
}

export function wholeOptions({ cache }: JobMap["record"]["input"]) {
  return { cache, excludes: compileExcludes([]), attributes: false, asItIs: true };
}
