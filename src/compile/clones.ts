import type { Resource, TreeResource, VolumeResource } from "../core/resource.ts";

/**
 * A volume whose only root is a clone is made as a clone of the volume that its origin is alone in, where both are of one
 * kind and the blocks can be shared. Everything else is copied file by file.
 */
export function cloneVolumes(resources: readonly Resource[]): readonly Resource[] {
  const trees = resources.filter((resource): resource is TreeResource => resource.kind === "tree");
  const inVolume = Map.groupBy(trees, ({ volume }) => volume);
  const byId = new Map(resources.map((resource) => [resource.id, resource]));
  const cloned = new Map<string, NonNullable<VolumeResource["cloneOf"]>>();
  for (const [id, [tree, second]] of inVolume) {
    const volume = byId.get(id);
    if (tree?.source.type !== "clone" || second !== undefined || volume?.kind !== "volume") continue;
    const origin = byId.get(tree.source.tree);
    const from = origin?.kind === "tree" ? byId.get(origin.volume) : undefined;
    if (origin?.kind !== "tree" || from?.kind !== "volume") continue;
    const means = meansOf(from, volume);
    const isAlone = inVolume.get(from.id)?.length === 1;
    if (means === undefined || !isAlone || folderOf(tree) === "" || folderOf(tree) !== folderOf(origin)) continue;
    cloned.set(id, { means, volume: subjectOf(from), tree: placeOf(origin) });
  }
  return resources.map((resource) => {
    if (resource.kind === "tree" && resource.source.type === "clone") {
      const origin = byId.get(resource.source.tree);
      const volumes = [resource, origin].map((tree) => tree?.kind === "tree" && byId.get(tree.volume));
      const isApart = volumes[0] !== volumes[1] && volumes.some((volume) => volume && hasOwnFilesystem(volume));
      const means = cloned.get(resource.volume)?.means ?? (isApart ? "plain copy" : undefined);
      return means === undefined ? resource : { ...resource, source: { ...resource.source, means } };
    }
    const cloneOf = resource.kind === "volume" ? cloned.get(resource.id) : undefined;
    if (cloneOf === undefined) return resource;
    return { ...resource, cloneOf, dependsOn: [...resource.dependsOn, cloneOf.tree.id] };
  });
}

/** How one volume can be a clone of another; undefined where it cannot, or where a copy of its files is as good. */
function meansOf(origin: VolumeResource, target: VolumeResource): string | undefined {
  if (origin.backend !== target.backend) return undefined;
  const first = ({ device }: VolumeResource) => device.split("/")[0];
  const fits = (target.size_bytes ?? 0) >= (origin.size_bytes ?? 0);
  // What was copied block by block is never mounted beside its origin when it is btrfs.
  const isAlike = origin.filesystem === target.filesystem && target.filesystem !== "btrfs" && fits;
  switch (target.backend) {
    case "directory":
      return undefined;
    case "btrfs":
      return "btrfs snapshot";
    case "zfs":
      return first(origin) === first(target) ? "zfs clone" : undefined;
    case "lvm": {
      const isInPool = target.thinPool !== undefined && origin.thinPool === target.thinPool;
      return isAlike && isInPool && first(origin) === first(target) ? "lvm thin snapshot" : undefined;
    }
    case "loop":
      return isAlike ? "reflink copy" : undefined;
  }
}

function hasOwnFilesystem(volume: Resource): boolean {
  return volume.kind === "volume" && volume.backend !== "directory" && volume.backend !== "btrfs";
}

/** Where a root is in its volume; empty for its top. */
function folderOf({ path, volumePath }: TreeResource): string {
  return path.slice(volumePath.length);
}

function subjectOf({ id, name, backend, path, device }: VolumeResource) {
  return { id, name, backend, path, device };
}

function placeOf({ id, name, path, volumePath, volume }: TreeResource) {
  return { id, name, path, volumePath, volume };
}
