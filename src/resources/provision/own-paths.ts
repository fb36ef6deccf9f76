import type { Entry, TreePath } from "../../core/entry.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { JobMap } from "../../host/jobs.ts";
import { treePaths } from "../tree/paths.ts";
import type { ObserveContext, Places } from "../types.ts";
import { packageDifference } from "./packages/index.ts";

type Drift = JobMap["drift"]["output"];

/** Keeps how the root was before its first step: only what still is so can be restored from its source. */
export function keepSourceManifest(root: TreeResource, { host: { files } }: Pick<ObserveContext, "host">): void {
  const { manifest, sourceManifest } = treePaths(root.volumePath, root.name);
  if (files.stat(manifest) === undefined) return;
  if (files.stat(sourceManifest) !== undefined) files.removeFile(sourceManifest);
  files.copyFile(manifest, sourceManifest);
}

/**
 * Takes apart what differs in a root: what its source has, and what its steps made. The latter is nobody's to restore,
 * and where a package is missing it is that package's: its step puts it right.
 */
export async function withoutSteps(
  root: TreeResource,
  drift: Drift,
  context: Places & Pick<ObserveContext, "host" | "signal">,
): Promise<Drift & { readonly ofSteps: readonly TreePath[] }> {
  const { manifest, sourceManifest } = treePaths(root.volumePath, root.name);
  const { files, jobs } = context.host;
  if (root.provisioned === undefined || drift.count === 0 || files.stat(sourceManifest) === undefined)
    return { ...drift, ofSteps: [] };
  const read = async (path: string): Promise<ReadonlyMap<TreePath, string>> => {
    const { entries } = await jobs.run("list", { manifest: path }, { signal: context.signal });
    return new Map(entries.map((entry) => [entry.path, factsOf(entry)]));
  };
  const [now, before] = [await read(manifest), await read(sourceManifest)];
  const isOfSteps = ({ path, change }: Drift["paths"][number]): boolean =>
    change !== "added" && now.get(path) !== before.get(path);
  const ofSteps = drift.paths.filter(isOfSteps);
  const paths = drift.paths.filter((each) => !isOfSteps(each));
  const areExcused = ofSteps.length > 0 && (await packagesDiffer(root, context));
  return {
    count: drift.count - ofSteps.length,
    paths,
    ofSteps: areExcused ? [] : ofSteps.map(({ path }) => path),
  };
}

async function packagesDiffer(root: TreeResource, context: Pick<ObserveContext, "host" | "signal">): Promise<boolean> {
  for (const work of root.provisioned?.packages ?? []) {
    const { missing, unwanted } = await packageDifference(work, root, context.host, context.signal);
    if (missing.length + unwanted.length > 0) return true;
  }
  return false;
}

function factsOf({ type, mode, owner, group, size, sha256, target, major, minor }: Entry): string {
  return [type, mode, owner, group, size, sha256, target, major, minor].join(" ");
}
