import type { BaseLayer, OverlayResource, Resource, TreeResource } from "../core/resource.ts";
import { type CompileContext, compileLinks, type Expanded, findDocument, originOf } from "./context.ts";
import { compileMounts } from "./mounts.ts";
import { laidPathsOf } from "./overlays.ts";
import { compileProvision, provisionedBy } from "./provision.ts";
import { rootPlace } from "./root-place.ts";
import { tarballDate, tarballSource, treeSource } from "./sources.ts";

/** A tree with its mounts and links; nothing for a tarball that is only packed. `layers`: the overlays that are copied into it. */
export function compileRoot(
  document: Expanded<"Root">,
  context: CompileContext,
  layers: readonly OverlayResource[],
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
    laidPaths: [...new Set(layers.flatMap(({ overlay }) => laidPathsOf(overlay)))].sort(),
    snapshots: snapshotPolicy(document),
    provisioned: provisionedBy(document),
  };
  const mounts = compileMounts(document, place, context);
  const ids = layers.map(({ id }) => id);
  const provision = compileProvision(document, tree, mounts, ids, context);
  const links = compileLinks(document, document.spec.links, [tree.id]);
  return [tree, ...mounts, ...(provision === undefined ? [] : [provision]), ...links];
}

/** The lowest layer of the images of a root; undefined where the root cannot be packed at all. */
export function baseLayer(document: Expanded<"Root">, context: CompileContext): BaseLayer | undefined {
  const place = rootPlace(document, context);
  if (place === undefined) {
    const { tarball } = document.spec.source;
    if (tarball?.sha256 === undefined) return undefined;
    const { type, location, sourceDate_s, maxSize_bytes } = tarballSource(tarball, document, context);
    return { type, location, sha256: tarball.sha256, sourceDate_s, maxSize_bytes };
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

/** A root, what it is a copy of, and so on; each once, should they be copies of each other. */
export function withOrigins(document: Expanded<"Root">, context: CompileContext): readonly Expanded<"Root">[] {
  const roots = new Set<Expanded<"Root">>();
  let origin: Expanded<"Root"> | undefined = document;
  while (origin !== undefined && !roots.has(origin)) {
    roots.add(origin);
    origin = findDocument(context, "Root", origin.spec.source.clone?.root);
  }
  return [...roots];
}

/** A root that was there before keeps the times of its files; a made one has its source's date, a copy its origin's. */
function sourceDate(document: Expanded<"Root">, context: CompileContext): number | "release" | undefined {
  const { tarball, mmdebstrap, debootstrap } = withOrigins(document, context).at(-1)?.spec.source ?? {};
  if (tarball !== undefined) return tarballDate(tarball);
  return mmdebstrap === undefined && debootstrap === undefined ? undefined : "release";
}

function snapshotPolicy({ spec: { snapshots } }: Expanded<"Root">): TreeResource["snapshots"] {
  return snapshots === undefined ? undefined : { before: snapshots.before, keep: snapshots.keep ?? 5 };
}

function contentOf({ spec }: Expanded<"Root">): "managed" | "live" {
  return spec.content ?? (spec.source.existing === undefined ? "managed" : "live");
}
