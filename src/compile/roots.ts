import type { TreePath } from "../core/entry.ts";
import type { BaseLayer, MountResource, Resource, TreeResource } from "../core/resource.ts";
import type { MountSpec } from "../documents/types.ts";
import {
  type CompileContext,
  compileLinks,
  type Expanded,
  findDocument,
  isBelow,
  originOf,
  resolvePath,
  resourceId,
} from "./context.ts";
import { type RootPlace, rootPlace } from "./root-place.ts";
import { treeSource } from "./sources.ts";
import { volumePath } from "./volumes.ts";

/** A tree with its mounts and links; nothing for a tarball that is only packed. `laidPaths` are its overlays'. */
export function compileRoot(
  document: Expanded<"Root">,
  context: CompileContext,
  laidPaths: readonly TreePath[],
): readonly Resource[] {
  const place = rootPlace(document, context);
  if (place === undefined) return [];
  const source = treeSource(document, context);
  const tree: TreeResource = {
    id: place.tree,
    kind: "tree",
    name: document.name,
    identity: `tree:${place.path}`,
    dependsOn: source.type === "clone" ? [place.volume, source.tree] : [place.volume],
    origin: originOf(document),
    protect: document.spec.protect ?? false,
    onDelete: document.spec.onDelete ?? "retain",
    volume: place.volume,
    volumePath: place.volumePath,
    path: place.path,
    source,
    content: contentOf(document),
    driftPolicy: document.spec.drift?.policy ?? context.policy.driftPolicy,
    laidPaths,
    ...snapshotPolicy(document),
  };
  return [tree, ...compileMounts(document, place, context), ...compileLinks(document, document.spec.links, [tree.id])];
}

/** The lowest layer of the images of a root; undefined where the root cannot be packed at all. */
export function baseLayer(document: Expanded<"Root">, context: CompileContext): BaseLayer | undefined {
  const place = rootPlace(document, context);
  if (place === undefined) {
    const source = treeSource(document, context);
    if (source.type !== "tarball" || source.sha256 === undefined) return undefined;
    const { type, location, sha256, sourceDate_s, maxSize_bytes } = source;
    return { type, location, sha256, sourceDate_s, ...(maxSize_bytes === undefined ? {} : { maxSize_bytes }) };
  }
  return {
    type: "tree",
    tree: place.tree,
    path: place.path,
    volumePath: place.volumePath,
    sourceDate_s: sourceDate(document, context),
    content: contentOf(document),
  };
}

/** A root that was there before keeps the times of its files; a made one has its source's date, a copy its origin's. */
function sourceDate(document: Expanded<"Root">, context: CompileContext): number | "release" | undefined {
  const seen = new Set<string>();
  let origin: Expanded<"Root"> | undefined = document;
  while (origin?.spec.source.clone !== undefined && !seen.has(origin.name)) {
    seen.add(origin.name);
    origin = findDocument(context, "Root", origin.spec.source.clone.root);
  }
  const source = origin === undefined ? undefined : treeSource(origin, context);
  if (source === undefined || source.type === "existing" || source.type === "clone") return undefined;
  return source.type === "tarball" ? source.sourceDate_s : "release";
}

function snapshotPolicy({ spec: { snapshots } }: Expanded<"Root">): Pick<TreeResource, "snapshots"> {
  return snapshots === undefined ? {} : { snapshots: { before: snapshots.before, keep: snapshots.keep ?? 5 } };
}

function contentOf({ spec }: Expanded<"Root">): "managed" | "live" {
  return spec.content ?? (spec.source.existing === undefined ? "managed" : "live");
}

/** Parents before children; a child depends on the mounts above it. */
function compileMounts(
  document: Expanded<"Root">,
  place: RootPlace,
  context: CompileContext,
): readonly MountResource[] {
  const mounts: MountResource[] = [];
  const declared = (document.spec.mounts ?? []).map((spec, index) => ({ spec, index }));
  declared.sort((left, right) => (left.spec.target < right.spec.target ? -1 : 1));
  for (const { spec, index } of declared) {
    const target = resolvePath("/", spec.target);
    const name = `${document.name}:${target}`;
    const volume = findDocument(context, "Volume", spec.volume);
    const namespace = spec.namespace ?? "private";
    const path = resolvePath(place.path, `.${target}`);
    // A private mount is never seen by one in the host's namespace.
    const parents = mounts.filter(
      (mount) => isBelow(path, mount.target) && (mount.namespace === "host" || namespace === "private"),
    );
    const above = namespace === "private" ? parents.filter((mount) => mount.namespace === "private") : [];
    mounts.push({
      id: resourceId("mount", name),
      kind: "mount",
      name,
      identity: `mount:${path}`,
      dependsOn: [
        place.tree,
        ...(volume === undefined ? [] : [resourceId("volume", volume.name)]),
        ...parents.map((parent) => parent.id),
      ],
      origin: originOf(document, ["spec", "mounts", index]),
      protect: false,
      onDelete: "destroy",
      target: path,
      within: place.path,
      type: spec.type,
      source: mountSource(spec, volume === undefined ? undefined : volumePath(volume, context)),
      options: spec.options ?? [],
      propagation: spec.propagation,
      namespace,
      tree: place.tree,
      ...(above.length === 0 ? {} : { above: above.map(({ above: _, ...mount }) => mount) }),
    });
  }
  return mounts;
}

function mountSource(spec: MountSpec, volume: string | undefined): string {
  if (spec.type !== "bind" && spec.type !== "rbind") return spec.type;
  return volume ?? resolvePath("/", spec.source ?? "/");
}
