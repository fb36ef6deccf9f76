import { posix } from "node:path";
import type { Json } from "../../core/digest.ts";
import { RootloomError } from "../../core/error.ts";
import type { OwnedRecord, TreeResource } from "../../core/resource.ts";
import type { Files } from "../../host/ports.ts";
import { checkHostPath, isWithin } from "../limits.ts";
import { type Marker, OWN_FOLDER, ownership, readMarker } from "../marker.ts";
import { detail } from "../owned.ts";
import { isUnsettled } from "../provision/note.ts";
import type { ObserveContext, Observer, Places } from "../types.ts";
import { onOneFilesystem, sharesBlocks } from "../volume/backends/reflink.ts";
import { findBuilt } from "./built.ts";
import { cameWithVolume } from "./cloned.ts";
import { readDrift, type TreeDrift } from "./drift.ts";
import { looksLikeRoot } from "./looks.ts";
import { isBuildOf, treePaths } from "./paths.ts";
import { isSourceKept, sourceKey } from "./source.ts";

export interface ObservedTree {
  readonly state: "absent" | "ours" | "foreign";
  readonly path: string;
  /** Why nothing may be done here at all; empty when something may. */
  readonly refusal: string;
  readonly hint: string;
  /** What stands at the top when it is not ours, for people. */
  readonly what: string;
  /** Whether there is anything in it but our own folder. */
  readonly populated: boolean;
  /** Key of the declared source. */
  readonly sourceKey: string;
  /** What the marker says the tree was made from. */
  readonly marked: { readonly source: string; readonly content: string; readonly facts: Json } | undefined;
  /** How it came with its volume, a clone of its origin's, and only has to be taken note of; empty where it did not. */
  readonly cloned: string;
  /** How a clone would be copied; empty where nobody can tell yet, or nothing is to be copied. */
  readonly copy: string;
  /** Source key of a build that is whole and only needs to be placed; empty when there is none. */
  readonly built: string;
  /** Whether the tarball it was filled from is still there to restore from. */
  readonly sourceKept: boolean;
  readonly manifest: boolean;
  /** How it differs from its manifest; undefined where that was not looked for. */
  readonly drift: TreeDrift | undefined;
  /** What an interrupted run left beside it: a build; when the tree is to go, its marker too. */
  readonly remnants: boolean;
}

export const treeObserver: Observer<"tree"> = { observe, observeRemoved };

/** What stands at a tree's top, and whose it is. */
export function standing(
  tree: { readonly name: string; readonly path: string; readonly volumePath: string },
  places: Places,
  files: Files,
): Pick<ObservedTree, "state" | "what" | "populated"> & {
  readonly marker: Marker | undefined;
  readonly inode: number;
} {
  const stat = files.stat(tree.path);
  if (stat === undefined) return { state: "absent", what: "", populated: false, marker: undefined, inode: 0 };
  if (stat.type !== "directory")
    return { state: "foreign", what: `a ${stat.type}`, populated: true, marker: undefined, inode: stat.inode };
  const entries = entriesOf(tree, files);
  const marker = readMarker(files, treePaths(tree.volumePath, tree.name).marker);
  const whose = ownership(marker, places.instance, stat.inode, files.filesystemIdentity(tree.path), stat.born);
  const ours = whose.verdict === "ours";
  const what = `a directory with ${entries} ${entries === 1 ? "entry" : "entries"}, ${whose.reason}`;
  return {
    state: ours ? "ours" : "foreign",
    what: ours ? "" : what,
    populated: entries > 0,
    marker: ours ? (marker as Marker) : undefined,
    inode: stat.inode,
  };
}

/** How many entries a top has: what the volume itself brought, our folder and an empty `lost+found`, is not the root's. */
function entriesOf({ path, volumePath }: { readonly path: string; readonly volumePath: string }, files: Files): number {
  const names = files.list(path) ?? [];
  const isEmpty = (name: string) => files.list(posix.join(path, name))?.length === 0;
  const isVolumes = (name: string) =>
    path === volumePath && (name === OWN_FOLDER || (name === "lost+found" && isEmpty(name)));
  return names.filter((name) => !isVolumes(name)).length;
}

/** What neither the manifest nor the drift check of a tree looks at: our own folder. */
export function leftOut(tree: { readonly path: string; readonly volumePath: string }): readonly string[] {
  return tree.path === tree.volumePath ? [OWN_FOLDER] : [];
}

/** A refusal when the path may not be used, or leads out of its volume. */
export function refusalOf(
  tree: { readonly path: string; readonly volumePath: string },
  places: Places,
  files: Files,
): { readonly refusal: string; readonly hint: string } {
  const refused = checkHostPath(files, tree.path, places.limits, places.state);
  if (refused !== undefined) return { refusal: refused.message, hint: refused.hint ?? "" };
  const volume = files.realPath(tree.volumePath);
  const parent = tree.path === tree.volumePath ? undefined : files.realPath(posix.dirname(tree.path));
  if (volume !== undefined && parent !== undefined && !isWithin(parent, volume))
    return { refusal: `${tree.path} leads out of its volume, to ${parent}`, hint: "remove the link in its path" };
  return { refusal: "", hint: "" };
}

async function observe(
  resource: TreeResource,
  _owned: OwnedRecord | undefined,
  context: ObserveContext,
): Promise<ObservedTree> {
  const { files } = context.host;
  const key = sourceKey(resource.source);
  const refused = refusalOf(resource, context, files);
  const base = { path: resource.path, sourceKey: key, ...refused };
  if (refused.refusal !== "") return { ...base, ...NOTHING };
  const { marker, state, what, populated } = standing(resource, context, files);
  if (state === "ours") refuseEmptied(resource, files);
  const manifest = files.stat(treePaths(resource.volumePath, resource.name).manifest)?.type === "file";
  const marked = marker === undefined ? undefined : markedOf(marker);
  // In the middle of its steps it is neither what was recorded nor what it will be.
  const isBetween =
    resource.provisioned !== undefined && state === "ours" && isUnsettled(resource, context.instance, files);
  const comparable =
    manifest && resource.content === "managed" && marked?.content === "managed" && marked.source === key && !isBetween;
  return {
    ...base,
    state,
    what,
    populated,
    marked,
    cloned: state === "foreign" ? cameWithVolume(resource, context, files) : "",
    copy: state === "absent" ? await copyMeans(resource, context) : "",
    built: findBuilt(resource, context, files)?.source ?? "",
    sourceKept: isSourceKept(resource.source, context.cache, files),
    manifest,
    drift: comparable ? await readDrift(resource, context) : undefined,
    remnants: hasBuilds(resource, files),
  };
}

async function copyMeans({ source, volumePath }: TreeResource, { host }: ObserveContext): Promise<string> {
  if (source.type !== "clone") return "";
  // A volume that is not there yet is made where its directory is, or the plan knows better.
  let place = volumePath;
  while (place !== "/" && host.files.stat(place) === undefined) place = posix.dirname(place);
  if (host.files.stat(source.path) === undefined) return "";
  const shares = onOneFilesystem(host, source.path, place) && (await sharesBlocks(host, place));
  return shares ? "reflink copy" : "plain copy";
}

/**
 * A live root whose files are gone is no new content to lay overlays into and to pack: somebody emptied it, or what was
 * mounted there is not. A managed one is restored.
 */
function refuseEmptied(resource: TreeResource, files: Files): void {
  if (resource.content !== "live" || resource.source.type === "existing" || looksLikeRoot(resource.path, files)) return;
  throw new RootloomError(
    `cannot use tree ${resource.name}: the root is empty: ${resource.path} holds no root any more`,
    {
      hint: `mount or put back what belongs there; to begin anew, move ${resource.path} away`,
      retry: "waiting",
    },
  );
}

async function observeRemoved(record: OwnedRecord, context: ObserveContext): Promise<ObservedTree> {
  const { files } = context.host;
  const tree = { name: record.name, path: detail(record, "path"), volumePath: detail(record, "volumePath") };
  const refused = refusalOf(tree, context, files);
  const base = { path: tree.path, sourceKey: record.inputs.source ?? "", ...refused, ...NOTHING };
  if (refused.refusal !== "") return base;
  const { marker, state, what, populated } = standing(tree, context, files);
  const paths = treePaths(tree.volumePath, tree.name);
  const remnants = files.stat(paths.marker) !== undefined || hasBuilds(tree, files);
  const marked = marker === undefined ? undefined : markedOf(marker);
  return { ...base, state, what, populated, marked, remnants };
}

function hasBuilds({ volumePath, name }: Pick<TreeResource, "volumePath" | "name">, files: Files): boolean {
  return (files.list(treePaths(volumePath, name).builds) ?? []).some((folder) => isBuildOf(folder, name));
}

const NOTHING = {
  state: "absent",
  what: "",
  populated: false,
  marked: undefined,
  cloned: "",
  copy: "",
  built: "",
  sourceKept: false,
  manifest: false,
  drift: undefined,
  remnants: false,
} as const;

function markedOf(marker: Marker): NonNullable<ObservedTree["marked"]> {
  return {
    source: marker.inputs.source ?? "",
    content: marker.inputs.content ?? "",
    facts: marker.details.source ?? null,
  };
}
