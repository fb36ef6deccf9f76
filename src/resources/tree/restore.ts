import { posix } from "node:path";
import { type Entry, showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { TreeResource } from "../../core/resource.ts";
import { isTemporary } from "../../core/temporary.ts";
import type { TreeHandle } from "../../host/ports.ts";
import { ATTRIBUTES } from "../../pack/differences.ts";
import { shortRun } from "../owned.ts";
import { withSpace } from "../space.ts";
import type { ApplyContext } from "../types.ts";
import { makeOwnFolders, sweepBuilds } from "./build.ts";
import { readDrift, type TreeDrift } from "./drift.ts";
import { extract } from "./fill.ts";
import type { Tarball } from "./kept.ts";
import { layEntry } from "./lay.ts";
import { buildPaths, type TreePaths, treePaths } from "./paths.ts";
import { setAside } from "./set-aside.ts";
import { keptTarball } from "./source.ts";

/** The drift job names at most this many paths at once; more rounds follow. */
const ROUNDS_MAX = 100;

interface Restored {
  readonly laid: number;
  /** Where what was taken out stands; empty when nothing was. */
  readonly setAside: string;
  readonly moved: number;
}

/**
 * Brings the differing paths of a managed tree back to its manifest: from the kept tarball, file by
 * file; what was added is moved aside. Looks anew at what differs: a path that was put right meanwhile stays.
 */
export async function restoreTree(resource: TreeResource, context: ApplyContext): Promise<Restored> {
  const { files } = context.host;
  const paths = treePaths(resource.volumePath, resource.name);
  makeOwnFolders(paths, files);
  const tarball = await keptTarball(resource, context);
  const aside = posix.join(paths.setAside, shortRun(context.runId));
  let laid = 0;
  let moved = 0;
  let before = "";
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const drift = await readDrift(resource, context);
    if (drift.count === 0) break;
    // Attributes that the tarball does not hold stay different, however often its file is laid.
    const found = JSON.stringify(drift);
    if (found === before) throw notRestored(resource, drift);
    before = found;
    const { name, path, volumePath } = resource;
    const done = await context.effect("tree.restore", { name, path, volumePath, count: drift.count }, () =>
      restoreRound(resource, drift, tarball, aside, context),
    );
    laid += done.laid;
    moved += done.moved;
    if (done.laid + done.moved === 0) throw notRestored(resource, drift);
  }
  files.syncFilesystem(resource.path);
  return { laid, moved, setAside: moved > 0 ? aside : "" };
}

async function restoreRound(
  resource: TreeResource,
  drift: TreeDrift,
  tarball: Tarball | undefined,
  aside: string,
  context: ApplyContext,
): Promise<{ readonly laid: number; readonly moved: number }> {
  const { files, jobs } = context.host;
  const paths = treePaths(resource.volumePath, resource.name);
  const { entries } = await jobs.run("list", { manifest: paths.manifest }, { signal: context.signal });
  const wanted = drift.paths.flatMap(({ path, change }) => (change === "added" ? [] : [path]));
  const members = withLinkSets(wanted, entries);
  const source = await extractMembers(resource, members, paths, tarball, context).catch(async (thrown: unknown) => {
    if (!context.signal.aborted) await sweepBuilds(paths, resource.name, undefined, context.host);
    throw thrown;
  });
  const top = files.openTree(resource.path);
  const from = files.openTree(source);
  try {
    // Deepest first: a directory that was added is empty once what it holds has been moved.
    const added = drift.paths.filter(({ change }) => change === "added").map(({ path }) => path);
    let moved = 0;
    for (const path of added.sort().reverse()) {
      // What a killed write of ours left is worth nothing to anybody.
      if (isTemporary(path) && top.stat(path)?.type === "file") top.removeFile(path);
      else if (setAside(resource, top, path, aside, context)) moved++;
      await turn(context);
    }
    const attributes = new Set(drift.paths.flatMap(({ path, what }) => (what.includes(ATTRIBUTES) ? [path] : [])));
    const trees = { top, from, source, place: resource.path, aside, attributes };
    const laid = await layAll(resource, wanted, entries, trees, context);
    restoreTimes(top, [...added, ...wanted], entries);
    return { laid, moved };
  } finally {
    top.close();
    from.close();
    await sweepBuilds(paths, resource.name, undefined, context.host);
  }
}

async function layAll(
  resource: TreeResource,
  wanted: readonly TreePath[],
  entries: readonly Entry[],
  trees: Parameters<typeof layEntry>[2],
  context: ApplyContext,
): Promise<number> {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  let laid = 0;
  for (const path of [...wanted].sort()) {
    const entry = byPath.get(path);
    if (entry !== undefined && layEntry(resource, entry, trees, context)) laid++;
    await turn(context);
  }
  return laid;
}

/** Each path waits for the disk: between two of them others have their turn, and a signal is heard. */
async function turn(context: ApplyContext): Promise<void> {
  await context.host.clock.sleep(0, context.signal);
}

/** Extracts members into a build folder of this run and returns the folder's top; whatever did not come out is simply not there. */
async function extractMembers(
  resource: TreeResource,
  members: readonly Entry[],
  paths: TreePaths,
  tarball: Tarball | undefined,
  context: ApplyContext,
): Promise<string> {
  const { files } = context.host;
  await sweepBuilds(paths, resource.name, undefined, context.host);
  const folder = posix.join(paths.builds, `${resource.name}-${shortRun(context.runId)}`);
  const { root } = buildPaths(folder);
  files.makeDirectory(folder, { owner: 0, group: 0, mode: 0o700 });
  files.makeDirectory(root, { owner: 0, group: 0, mode: 0o755 });
  if (tarball === undefined || members.length === 0) return root;
  // Archives name their members `./x` or `x`; both are asked for, and GNU tar takes what there is.
  const names = members.flatMap(({ path }) => (path === "" ? ["./"] : [`./${path}`, path])).map((name) => `${name}\0`);
  const list = posix.join(folder, "members");
  files.writeFile(
    list,
    Uint8Array.from(names.join(""), (character) => character.charCodeAt(0)),
    {
      owner: 0,
      group: 0,
      mode: 0o600,
    },
  );
  const needed_bytes = members.reduce((sum, { size }) => sum + size, 0);
  await withSpace(context, { path: root, needed_bytes, what: `restore tree ${resource.name}` }, async () => {
    await extract(tarball, root, context, { members: list });
    // One sync for all: what is moved into the tree from here is whole on disk.
    files.syncFilesystem(root);
  });
  return root;
}

/** A hard link comes out of an archive only together with the member that it links to. */
function withLinkSets(wanted: readonly TreePath[], entries: readonly Entry[]): readonly Entry[] {
  const asked = new Set(wanted);
  const sets = new Set(entries.flatMap(({ path, linkSet }) => (asked.has(path) && linkSet !== "" ? [linkSet] : [])));
  return entries
    .filter((entry) => asked.has(entry.path) || sets.has(entry.linkSet))
    .filter((entry) => entry.type !== "directory");
}

/** Laying and moving changed the times of the directories above; images carry those times. */
function restoreTimes(top: TreeHandle, touched: readonly TreePath[], entries: readonly Entry[]): void {
  const parents = new Set(touched.map((path) => path.slice(0, Math.max(path.lastIndexOf("/"), 0))));
  for (const path of touched) parents.add(path);
  for (const entry of entries)
    if (entry.type === "directory" && parents.has(entry.path) && top.stat(entry.path)?.type === "directory")
      top.setAttributes(entry.path, entry);
}

function notRestored(resource: TreeResource, drift: TreeDrift): RootloomError {
  const names = drift.paths.slice(0, 5).map(({ path }) => showPath(path));
  return new RootloomError(
    `cannot restore ${drift.count} paths of tree ${resource.name}: ${names.join(", ")}${drift.count > 5 ? ", ..." : ""}`,
    { hint: "the kept tarball does not hold them as recorded: set them right by hand, or declare a new source" },
  );
}
