import type { TreePath } from "../../core/entry.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { TreeHandle } from "../../host/ports.ts";
import type { KeptOriginal } from "../../pack/types.ts";
import { OWN_FOLDER } from "../marker.ts";
import { type LaidDeletion, type LaidEntry, type LaidPlace, readLaid } from "../overlay/laid.ts";
import { standsAsLaid } from "../overlay/observe.ts";
import { isKept } from "../overlay/originals.ts";
import type { ObserveContext, Places } from "../types.ts";
import { leftOut } from "./observe.ts";

/**
 * What overlays laid and removed in a tree and what still is so, declared or not: their overlay puts it right in this
 * pass, or it was forgotten and is to stay. What was edited since is not among it.
 */
export function laidAsListed(
  resource: TreeResource,
  context: Places & Pick<ObserveContext, "host">,
): ReadonlySet<TreePath> {
  return withOverlaid(resource, context, ({ tree, laid, deletions }) => {
    const removed = deletions.filter(({ path }) => tree.stat(path) === undefined);
    return new Set([...laid, ...removed].flatMap(({ path }) => [path, tree.resolve(path) ?? path]));
  });
}

/** How a manifest comes to hold what a tree would without its overlays: they may go, and then that is what is there. */
export interface WithoutOverlays {
  readonly leaveOut: readonly TreePath[];
  readonly originals: readonly KeptOriginal[];
}

export function withoutOverlays(
  resource: TreeResource,
  context: Places & Pick<ObserveContext, "host">,
): WithoutOverlays {
  return withOverlaid(resource, context, ({ tree, place, laid, deletions }) => {
    const deleted = deletions.filter(({ path }) => isDeleted(tree, path));
    const originals = [...laid, ...deleted].flatMap(({ path, original }) => {
      if (original === undefined || !isKept(context.host.files, place, original)) return [];
      const file = original.file === "" ? "" : `${resource.volumePath}/${OWN_FOLDER}/${original.file}`;
      return [{ ...original, path: tree.resolve(path) ?? path, file }];
    });
    return { leaveOut: [...leftOut(resource), ...broughtBy(laid, tree)], originals };
  });
}

interface Overlaid {
  readonly tree: TreeHandle;
  readonly place: LaidPlace;
  /** What overlays made and what stands as they made it. */
  readonly laid: readonly LaidEntry[];
  readonly deletions: readonly LaidDeletion[];
}

/** Tells of all overlays of a tree while it is open. */
function withOverlaid<T>(
  { path, volumePath, name }: TreeResource,
  { host: { files }, instance }: Places & Pick<ObserveContext, "host">,
  body: (overlaid: Overlaid) => T,
): T {
  const place = { treePath: path, volumePath, tree: name, overlay: "" };
  const overlays = Object.values(readLaid(files, place, instance).overlays);
  const deletions = overlays.flatMap((overlay) => overlay.deletions);
  const tree = files.openTree(path);
  try {
    const made = overlays.flatMap(({ entries }) => entries.filter((entry) => entry.made));
    return body({ tree, place, laid: made.filter((entry) => standsAsLaid(tree, entry)), deletions });
  } finally {
    tree.close();
  }
}

function isDeleted(tree: TreeHandle, path: TreePath): boolean {
  const at = tree.resolve(path);
  return at === undefined || tree.stat(at) === undefined;
}

/** What is in a tree only because an overlay laid it. A directory is among it only while all that it holds is. */
function broughtBy(laid: readonly LaidEntry[], tree: TreeHandle): readonly TreePath[] {
  const brought = new Set<TreePath>();
  // Deepest first: what a directory holds has been looked at before it.
  for (const entry of laid.toSorted((one, other) => (one.path < other.path ? 1 : -1))) {
    const at = tree.resolve(entry.path);
    if (at === undefined || entry.original !== undefined) continue;
    if (entry.type === "directory" && tree.list(at).some((name) => !brought.has(`${at}/${name}`))) continue;
    brought.add(at);
  }
  return [...brought];
}

/** Those of added paths that are something's mount point: by a record, or now, should a kill have lost the record. */
export function mountTargets(
  resource: TreeResource,
  added: readonly TreePath[],
  { host, owned }: Pick<ObserveContext, "host" | "owned">,
): readonly TreePath[] {
  if (added.length === 0) return [];
  const top = host.files.realPath(resource.path) ?? resource.path;
  const mounted = new Set(host.files.mounts().map(({ target }) => target));
  return added.filter(
    (path) => owned(`mount/${resource.name}:/${path}`) !== undefined || mounted.has(`${top}/${path}`),
  );
}
