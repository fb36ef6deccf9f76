import type { TreePath } from "../core/entry.ts";
import type { BaseLayer, MountResource, Resource, ResourceId, TreeResource, TreeSource } from "../core/resource.ts";
import type { MountSpec } from "../documents/types.ts";
import { parseDate } from "../documents/units.ts";
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
import { volumePath } from "./volumes.ts";

/** Where a root that has a volume stands. */
export interface RootPlace {
  readonly tree: ResourceId;
  readonly volume: ResourceId;
  readonly volumePath: string;
  readonly path: string;
}

/** A tree with its mounts and links; nothing for a tarball that is only packed. `laidPaths` are its overlays'. */
export function compileRoot(
  document: Expanded<"Root">,
  context: CompileContext,
  laidPaths: readonly TreePath[],
): readonly Resource[] {
  const place = rootPlace(document, context);
  if (place === undefined) return [];
  const tree: TreeResource = {
    id: place.tree,
    kind: "tree",
    name: document.name,
    identity: `tree:${place.path}`,
    dependsOn: [place.volume],
    origin: originOf(document),
    protect: document.spec.protect ?? false,
    onDelete: document.spec.onDelete ?? "retain",
    volume: place.volume,
    volumePath: place.volumePath,
    path: place.path,
    source: treeSource(document, context),
    content: contentOf(document),
    driftPolicy: document.spec.drift?.policy ?? context.policy.driftPolicy,
    laidPaths,
  };
  return [tree, ...compileMounts(document, place, context), ...compileLinks(document, document.spec.links, [tree.id])];
}

/** undefined for a root without a volume, or with one that is not declared. */
export function rootPlace(document: Expanded<"Root">, context: CompileContext): RootPlace | undefined {
  const volume = findDocument(context, "Volume", document.spec.volume);
  if (volume === undefined) return undefined;
  const top = volumePath(volume, context);
  const folder = document.spec.path ?? (document.spec.source.existing === undefined ? "root" : undefined);
  return {
    tree: resourceId("tree", document.name),
    volume: resourceId("volume", volume.name),
    volumePath: top,
    path: folder === undefined ? top : resolvePath(top, folder),
  };
}

/** The lowest layer of the images of a root; undefined where the root cannot be packed at all. */
export function baseLayer(document: Expanded<"Root">, context: CompileContext): BaseLayer | undefined {
  const source = treeSource(document, context);
  const place = rootPlace(document, context);
  if (place === undefined) return source.type === "tarball" ? source : undefined;
  return {
    type: "tree",
    tree: place.tree,
    path: place.path,
    volumePath: place.volumePath,
    // A root that was there before keeps the times of its files; a made one has its source's date.
    sourceDate_s: source.type === "existing" ? undefined : source.type === "tarball" ? source.sourceDate_s : "release",
    content: contentOf(document),
  };
}

function contentOf({ spec }: Expanded<"Root">): "managed" | "live" {
  return spec.content ?? (spec.source.existing === undefined ? "managed" : "live");
}

function treeSource(document: Expanded<"Root">, context: CompileContext): TreeSource {
  const { tarball, mmdebstrap } = document.spec.source;
  if (tarball !== undefined) {
    if (!tarball.path.startsWith("/") && context.baseDirectory === undefined) {
      const message = `cannot find the tarball \`${tarball.path}\`: the documents come from no checkout`;
      context.report(document, ["spec", "source", "tarball", "path"], message, "write its absolute path");
    }
    return {
      type: "tarball",
      location: resolvePath(context.baseDirectory ?? "/", tarball.path),
      sha256: tarball.sha256,
      sourceDate_s: (tarball.sourceDate === undefined ? undefined : parseDate(tarball.sourceDate)) ?? 0,
    };
  }
  if (mmdebstrap === undefined) return { type: "existing" };
  return {
    type: "mmdebstrap",
    suite: mmdebstrap.suite,
    variant: mmdebstrap.variant ?? "minbase",
    include: [...(mmdebstrap.include ?? [])].sort(),
    architecture: mmdebstrap.architecture,
    mirror: mmdebstrap.mirror,
    components: mmdebstrap.components ?? ["main"],
  };
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
