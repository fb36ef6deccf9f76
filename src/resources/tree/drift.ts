import type { TreePath } from "../../core/entry.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { JobMap } from "../../host/jobs.ts";
import type { Files } from "../../host/ports.ts";
import { isWithin } from "../limits.ts";
import { withoutSteps } from "../provision/own-paths.ts";
import type { ObserveContext, Places } from "../types.ts";
import { laidAsListed, mountTargets } from "./leaving.ts";
import { leftOut } from "./observe.ts";
import { treePaths } from "./paths.ts";

export type TreeDrift = JobMap["drift"]["output"] & {
  /** Paths that steps of provisioning made and that differ too: the source does not have them as they were. */
  readonly ofSteps: readonly TreePath[];
};

/**
 * How a tree of ours differs from its manifest; hashes come from the cache. What overlays laid or removed is
 * theirs, and so are the directories that were made to mount something on.
 */
export async function readDrift(
  resource: TreeResource,
  context: Places & Pick<ObserveContext, "host" | "signal" | "owned" | "sights">,
): Promise<TreeDrift> {
  const { files, jobs } = context.host;
  const laidPaths = followed(resource, files);
  const leaveOut = [...leftOut(resource), ...laidPaths.map((path) => path.replace(/\/$/, ""))];
  const drift = await jobs.run(
    "drift",
    {
      path: resource.path,
      identity: files.filesystemIdentity(resource.path),
      cache: context.cache,
      manifest: treePaths(resource.volumePath, resource.name).manifest,
      leaveOut,
      looked: await context.sights?.of(resource.path, []),
    },
    { signal: context.signal },
  );
  // A laid path that ends in a slash is a directory of which only the attributes are the overlay's.
  const whole = [...leftOut(resource), ...laidPaths.filter((path) => !path.endsWith("/"))];
  const added = drift.paths.filter(({ change }) => change === "added").map(({ path }) => path);
  const targets = mountTargets(resource, added, context);
  const listed = drift.paths.length === 0 ? new Set() : laidAsListed(resource, context);
  const paths = drift.paths.filter(
    ({ path, change }) =>
      !listed.has(path) &&
      !whole.some((laid) => isWithin(path, laid)) &&
      !(change === "added" && targets.some((target) => isWithin(target, path))),
  );
  return withoutSteps(resource, { count: drift.count - (drift.paths.length - paths.length), paths }, context);
}

/** Laid paths as written, and where they lead through the root's own links: `bin/tool` is laid at `usr/bin/tool`. */
function followed(resource: TreeResource, files: Files): readonly string[] {
  if (resource.laidPaths.length === 0) return [];
  const tree = files.openTree(resource.path);
  try {
    return resource.laidPaths.flatMap((path) => {
      const place = tree.resolve(path.replace(/\/$/, ""));
      return place === undefined ? [path] : [path, path.endsWith("/") ? `${place}/` : place];
    });
  } finally {
    tree.close();
  }
}
