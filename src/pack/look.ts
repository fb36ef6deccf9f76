import type { TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { JobTable, LayerSource } from "../host/jobs.ts";
import type { FileStat, GlancePart, JobContext } from "../host/ports.ts";
import { compileExcludes, type Excludes } from "./excludes.ts";
import { SETTLED_AFTER_MS } from "./hash-cache.ts";
import type { Seen, SeenPart, SeenShare } from "./remembered.ts";
import { joinShares } from "./shares.ts";

type TreeSource = Extract<LayerSource, { readonly type: "tree" }>;

/** The job by which a pass begins; its module loads few others, for a look may be all that the pass needs. */
export const look: JobTable["look"] = async ({ path, views, turn }, context) =>
  lookAtViews(context, { path }, views.map(compileExcludes), turn);

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
  return joinShares(lookAtViews(context, layer, [excludes])) ?? NOTHING_SEEN;
}

/** One look at a tree for several who leave different parts of it out; with a `turn`, a share of it. */
export function lookAtViews(
  context: JobContext,
  layer: Pick<TreeSource, "path">,
  views: readonly Excludes[],
  turn?: Int32Array,
): readonly SeenShare[] {
  requireTree(context, layer);
  const start_ms = context.now_ms();
  const glances = context.files.look(
    layer.path,
    views.map((excludes) => ({
      enter: entering(excludes),
      leaveOut: excludes.covers,
      mayLeaveOut: excludes.mayCoverIn,
    })),
    turn,
  );
  const see = ({ path, digest, changed_ms }: GlancePart): SeenPart => ({
    path,
    digest,
    settled: changed_ms + SETTLED_AFTER_MS <= start_ms,
  });
  return glances.map(({ upper, parts, expected }) => ({ upper: see(upper), parts: parts.map(see), expected }));
}

/** Where nothing can be said of a tree: no other sight is like it. */
export const NOTHING_SEEN: Seen = { digest: "", settled: false, parts: [] };

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
