import type { Resource, ResourceId, TreeResource, VolumeResource } from "../core/resource.ts";

/** A root, and the volume that it is in. */
interface Placed {
  readonly tree: TreeResource;
  readonly volume: VolumeResource;
}

/**
 * A volume whose only root is a clone is made as a clone of the volume that its origin is alone in, where both are of one
 * kind and the blocks can be shared. Everything else is copied file by file.
 */
export function cloneVolumes(resources: readonly Resource[]): readonly Resource[] {
  const roots = placedRoots(resources);
  const inVolume = Map.groupBy(roots.values(), ({ volume }) => volume.id);
  const isAlone = ({ volume }: Placed) => inVolume.get(volume.id)?.length === 1;
  const changed = new Map<ResourceId, Resource>();
  for (const clone of roots.values()) {
    const { tree, volume } = clone;
    const { source } = tree;
    if (source.type !== "clone") continue;
    const origin = roots.get(source.tree);
    if (origin === undefined) continue;
    const isWhole = isAlone(clone) && isAlone(origin) && folderOf(tree) === folderOf(origin.tree);
    const shared = isWhole ? meansOf(origin.volume, volume) : undefined;
    if (shared !== undefined) {
      const cloneOf = { means: shared, volume: subjectOf(origin.volume), tree: placeOf(origin.tree) };
      changed.set(volume.id, { ...volume, cloneOf, dependsOn: [...volume.dependsOn, origin.tree.id] });
    }
    const isApart = volume !== origin.volume && [volume, origin.volume].some(hasOwnFilesystem);
    changed.set(tree.id, { ...tree, source: { ...source, means: shared ?? (isApart ? "plain copy" : undefined) } });
  }
  return resources.map((resource) => changed.get(resource.id) ?? resource);
}

function placedRoots(resources: readonly Resource[]): ReadonlyMap<ResourceId, Placed> {
  const volumes = new Map(resources.flatMap((it) => (it.kind === "volume" ? [[it.id, it] as const] : [])));
  const placed = new Map<ResourceId, Placed>();
  for (const tree of resources) {
    if (tree.kind !== "tree") continue;
    const volume = volumes.get(tree.volume);
    if (volume !== undefined) placed.set(tree.id, { tree, volume });
  }
  return placed;
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

function hasOwnFilesystem({ backend }: VolumeResource): boolean {
  return backend !== "directory" && backend !== "btrfs";
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
