import type { JobMap } from "../host/jobs.ts";
import { compileExcludes } from "./excludes.ts";

type RecordInput = JobMap["record"]["input"];

/** A tree as it is: all that it holds, with its own times. */
export function wholeTree({ path, identity }: Pick<RecordInput, "path" | "identity">) {
  return { type: "tree", name: "tree", path, identity, sourceDate_s: undefined } as const;
}

/** How all of it is looked at, without extended attributes. */
export function wholeOptions({ cache }: Pick<RecordInput, "cache">) {
  return { cache, excludes: compileExcludes([]), attributes: false, asItIs: true };
}
