import type { TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { LayerSource } from "../host/jobs.ts";
import type { FileStat, JobContext } from "../host/ports.ts";
import type { Excludes } from "./excludes.ts";
import { SETTLED_AFTER_MS } from "./hash-cache.ts";
import type { Seen } from "./remembered.ts";

type TreeSource = Extract<LayerSource, { readonly type: "tree" }>;

/**
 * Whether a tree is as it was, without reading any content: while the digest is the same, so is everything that a scan with
 * the same excludes would find, but for extended attributes, whose changes the ctime tells. A scan between two looks with one
 * digest, the first of them settled, has found what they saw.
 */
export function lookAtLayer(
  context: JobContext,
  layer: TreeSource,
  { excludes }: { readonly excludes: Excludes },
): Seen {
  return lookAtViews(context, layer, [excludes])[0] ?? { digest: "", settled: false };
}

/** One look at a tree for several who leave different parts of it out. */
export function lookAtViews(
  context: JobContext,
  layer: Pick<TreeSource, "path">,
  views: readonly Excludes[],
): readonly Seen[] {
  requireTree(context, layer);
  const start_ms = context.now_ms();
  const sights = context.files.look(
    layer.path,
    views.map((excludes) => ({
      enter: entering(excludes),
      leaveOut: excludes.covers,
      mayLeaveOut: excludes.mayCoverIn,
    })),
  );
  return sights.map(({ digest, changed_ms }) => ({ digest, settled: changed_ms + SETTLED_AFTER_MS <= start_ms }));
}

/** Which directories a walk enters. */
export function entering({ covers, coversContents }: Excludes): (path: TreePath) => boolean {
  return (path) => !covers(path) && !coversContents(path);
}

/** @throws RootloomError, waiting, where it is not there. */
export function requireTree({ files }: JobContext, { path }: Pick<TreeSource, "path">): FileStat {
  const top = files.stat(path);
  if (top?.type === "directory") return top;
  throw new RootloomError(`cannot read the tree ${path}: ${top ? "it is no directory" : "it is not there"}`, {
    hint: "check that its volume exists and is mounted",
    retry: "waiting",
    condition: "TreeMissing",
  });
}
