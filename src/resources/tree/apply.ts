import { RootloomError } from "../../core/error.ts";
import type { OwnedRecord, TreeResource } from "../../core/resource.ts";
import { type Marker, writeMarker } from "../marker.ts";
import { detail, shortRun } from "../owned.ts";
import type { ApplyContext, Executor, Outcome } from "../types.ts";
import { standing as volumeStanding } from "../volume/top.ts";
import { buildTree, makeOwnFolders, newMarker, recordManifest, sweepBuilds } from "./build.ts";
import { cameWithVolume, forgetCloneNote } from "./cloned.ts";
import { requireNothingMounted, requireOnlyOwnMounts } from "./inside.ts";
import { withoutOverlays } from "./leaving.ts";
import { refusalOf, standing } from "./observe.ts";
import { filledOf, outcome, sourceNotes } from "./outcome.ts";
import { treePaths } from "./paths.ts";
import { restoreTree } from "./restore.ts";
import { snapshotBefore } from "./snapshots/policy.ts";
import { sourceKey } from "./source.ts";
import { placeBuilt, swap } from "./swap.ts";

/** Fills a root beside its place and renames it into it. */
export const createTree: Executor<"tree.create"> = async (step, context) => {
  const { resource } = step.arguments;
  const { files } = context.host;
  check(resource, context);
  const found = standing(resource, context, files);
  const cloned = found.state === "foreign" ? cameWithVolume(resource, context, files) : "";
  if (cloned !== "") return takeClone(resource, cloned, context);
  if (found.state === "foreign") throw inTheWay(resource, found.what);
  if (found.marker !== undefined) return outcome(resource, found.marker, context, "found complete, and recorded");
  const built = await buildTree(resource, context);
  const { path } = resource;
  await context.effect("tree.place", { path, build: built.folder }, () => placeBuilt(resource, built, files));
  return { ...outcome(resource, built.marker, context, "created"), notes: sourceNotes(resource, built.marker) };
};

/** Marks the root in a volume that was made as a clone of its origin's. */
async function takeClone(resource: TreeResource, cloned: string, context: ApplyContext): Promise<Outcome> {
  const marker = await note(resource, undefined, context, { cloned });
  forgetCloneNote(resource, context.host.files);
  return { ...outcome(resource, marker, context, "created"), notes: sourceNotes(resource, marker) };
}

/** Takes a root that is there as it is: it is marked, and a managed one is recorded. No file of it changes. */
export const adoptTree: Executor<"tree.adopt"> = async (step, context) => {
  const { resource } = step.arguments;
  check(resource, context);
  const found = standing(resource, context, context.host.files);
  if (found.marker !== undefined) return outcome(resource, found.marker, context, "found adopted, and recorded");
  if (!found.populated)
    throw new RootloomError(`cannot take tree ${resource.name} as it is: nothing is at ${resource.path}`, {
      hint: "mount or fill it, or declare a source",
      retry: "waiting",
      condition: "Empty",
    });
  const marker = await note(resource, undefined, context);
  return outcome(resource, marker, context, "adopted as it is");
};

/** Writes down what the record did not say, and removes builds that nothing will place; the tree's files stay as they are. */
export const updateTree: Executor<"tree.update"> = async (step, context) => {
  const { resource } = step.arguments;
  check(resource, context);
  const { marker } = requireOurs(resource, context, "update");
  const noted = await note(resource, marker, context);
  await sweepBuilds(treePaths(resource.volumePath, resource.name), resource.name, undefined, context.host);
  return outcome(resource, noted, context, `updated: ${step.reason}`);
};

/** Puts drifted paths back from the kept tarball, and moves aside what was added. */
export const restore: Executor<"tree.restore"> = async (step, context) => {
  const { resource } = step.arguments;
  check(resource, context);
  const { marker } = requireOurs(resource, context, "restore");
  const taken = await snapshotBefore(resource, "restore", context);
  const done = await restoreTree(resource, context);
  const notes = done.setAside === "" ? [] : [`what was added to it stands in ${done.setAside}`];
  const result = `restored: ${done.laid} put back, ${done.moved} moved aside`;
  return { ...outcome(resource, marker, context, result), notes: [...taken, ...notes] };
};

/** Builds the new root beside, and swaps the two; the old one is kept. */
export const replaceTree: Executor<"tree.replace"> = async (step, context) => {
  const { resource } = step.arguments;
  check(resource, context);
  const { marker } = requireOurs(resource, context, "replace");
  const wanted = sourceKey(resource.source);
  if (marker.inputs.source === wanted && step.cause === "intentional")
    return outcome(resource, marker, context, "found replaced, and recorded");
  requireOnlyOwnMounts(resource, context);
  const built = await buildTree(resource, context);
  requireOurs(resource, context, "replace");
  requireOnlyOwnMounts(resource, context);
  const taken = await snapshotBefore(resource, "replace", context);
  const kept = await swap(resource, built, context);
  return {
    ...outcome(resource, built.marker, context, "replaced"),
    notes: [...taken, `the old root is kept at ${kept}`, ...sourceNotes(resource, built.marker)],
  };
};

/** Moves the root out of its place and removes it, never across a mount. */
export const deleteTree: Executor<"tree.delete"> = async (step, context) => {
  const { record } = step.arguments;
  const { files } = context.host;
  const tree = treeOf(record);
  if (tree.path === tree.volumePath)
    throw new RootloomError(`cannot delete tree ${tree.name}: ${tree.path} is the top of its volume`, {
      hint: `rootloom forget ${record.id}`,
    });
  check(tree, context);
  const paths = treePaths(tree.volumePath, tree.name);
  const found = standing(tree, context, files);
  if (found.state === "foreign") throw inTheWay({ ...tree, id: record.id }, found.what);
  if (found.state === "ours") {
    requireNothingMounted(tree, context);
    makeOwnFolders(paths, files);
    const folder = `${paths.builds}/${tree.name}-${shortRun(context.runId)}`;
    await context.effect("tree.delete", { path: tree.path, inode: found.inode }, async () => {
      await sweepBuilds(paths, tree.name, undefined, context.host);
      files.makeDirectory(folder, { owner: 0, group: 0, mode: 0o700 });
      // Sweeping may have taken a while, and another root may stand there by now.
      requireOurs(tree, context, "delete");
      requireNothingMounted(tree, context);
      files.rename(tree.path, `${folder}/root`);
    });
  }
  await sweepBuilds(paths, tree.name, undefined, context.host);
  for (const path of [paths.manifest, paths.sourceManifest, paths.laid, paths.provision, paths.marker])
    if (files.stat(path) !== undefined) files.removeFile(path);
  return { record: undefined, result: "deleted" };
};

export const treeExecutors = {
  "tree.create": createTree,
  "tree.adopt": adoptTree,
  "tree.update": updateTree,
  "tree.restore": restore,
  "tree.replace": replaceTree,
  "tree.delete": deleteTree,
};

type Subject = Pick<TreeResource, "name" | "path" | "volumePath"> & { readonly volume?: string };

function treeOf(record: OwnedRecord): Subject {
  const { name } = record;
  return {
    name,
    path: detail(record, "path"),
    volumePath: detail(record, "volumePath"),
    volume: detail(record, "volume"),
  };
}

/** What observe saw, looked at again just before anything is done: the path is allowed, and its volume is ours. */
export function check(tree: Subject, context: ApplyContext): void {
  const { files } = context.host;
  const { refusal, hint } = refusalOf(tree, context, files);
  if (refusal !== "") throw new RootloomError(refusal, { hint });
  const volume = (tree.volume ?? "").replace(/^volume\//, "");
  const found = volumeStanding(tree.volumePath, volume, context, files);
  if (found.state !== "ours")
    throw new RootloomError(
      `cannot work on tree ${tree.name}: its volume at ${tree.volumePath} is ${found.what === "" ? "not there" : found.what}`,
      { hint: `rootloom plan volume/${volume}`, retry: "waiting", condition: "VolumeMissing" },
    );
}

export function requireOurs(tree: Subject, context: ApplyContext, verb: string): { readonly marker: Marker } {
  const { marker, state, what } = standing(tree, context, context.host.files);
  if (marker !== undefined) return { marker };
  throw new RootloomError(
    `cannot ${verb} tree ${tree.name}: ${tree.path} is ${state === "absent" ? "not there" : what}`,
    { hint: "plan again" },
  );
}

/** Marks the tree as it stands. The manifest of a managed one is written when it was not managed before, or is lost. */
async function note(
  resource: TreeResource,
  was: Marker | undefined,
  context: ApplyContext,
  filled: { readonly cloned?: string } = {},
): Promise<Marker> {
  const { files } = context.host;
  const paths = treePaths(resource.volumePath, resource.name);
  makeOwnFolders(paths, files);
  const managed = resource.content === "managed";
  const recorded = was?.inputs.content === "managed" && files.stat(paths.manifest) !== undefined;
  const old = typeof was?.details.manifest === "string" ? was.details.manifest : "";
  const record = (): Promise<string> =>
    recordManifest(resource.path, paths.manifest, withoutOverlays(resource, context), context);
  const manifest = managed && !recorded ? await record() : old;
  const made = newMarker(resource, resource.path, manifest, context);
  const fresh = { ...made, details: { ...made.details, ...(was === undefined ? filled : filledOf(was)) } };
  const marker = was === undefined ? fresh : { ...fresh, runId: was.runId, createdAt: was.createdAt };
  await context.effect("tree.note", { path: resource.path }, () => writeMarker(files, paths.marker, marker));
  return marker;
}

function inTheWay(tree: { readonly name: string; readonly path: string; readonly id: string }, what: string) {
  return new RootloomError(`cannot use tree ${tree.name}: ${tree.path} is ${what}`, {
    hint: `rootloom adopt ${tree.id}, or move it away`,
  });
}
