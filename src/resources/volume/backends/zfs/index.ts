import { RootloomError } from "../../../../core/error.ts";
import type { VolumeResource } from "../../../../core/resource.ts";
import { unmountTree } from "../../../mount/unmount.ts";
import { topEntries } from "../../top.ts";
import {
  type Device,
  type Looking,
  NO_DEVICE,
  type Obstacle,
  type VolumeBackend,
  type VolumeSubject,
  type Working,
} from "../backend.ts";
import { sweepAttached } from "../read-only.ts";
import { remountWith } from "../remount.ts";
import { temporaryName } from "../temporary.ts";
import { destroyDataset, listDatasets, markDataset, parentOf, poolOf, propertiesOf, zfs } from "./commands.ts";
import { MARKER, whyForeign } from "./marker.ts";
import type { Property } from "./parse.ts";
import { attachReadOnly, mountDataset, replaceNotes } from "./read.ts";
import {
  findRemovable,
  madeWith,
  removeSnapshots,
  removeZfsSnapshot,
  sweepSnapshots,
  zfsClone,
  zfsSnapshot,
  zfsSnapshots,
} from "./snapshots.ts";
import { sweepDatasets } from "./sweep.ts";

/** A dataset. Its marker is a user property of its own, keyed by its guid; a size is a quota. */
export const zfsBackend: VolumeBackend = {
  name: "zfs",
  mounts: true,
  shrinks: true,
  clonesHold: true,
  places: ({ device }) => [{ type: "pool", value: poolOf(device) }],
  observe,
  obstacle,
  create: async (volume, working) => {
    await sweep(volume, working);
    const temporary = `${parentOf(volume.device)}/${temporaryName(volume, working)}`;
    await zfs(working, ["create", ...madeWith(volume), temporary]);
    await markDataset(volume, temporary, working);
    await zfs(working, ["rename", temporary, volume.device]);
  },
  sweep,
  mark: async (volume, working) => {
    await zfs(working, ["set", "canmount=noauto", volume.device]);
    await markDataset(volume, volume.device, working);
  },
  resize,
  relabel: async ({ name }) => {
    throw new RootloomError(`cannot label volume ${name}: a dataset has no label`, { hint: "leave `label` out" });
  },
  requireRemovable,
  destroy,
  attach: ({ device, path, mountOptions }, working) => mountDataset(device, path, mountOptions.join(","), working),
  remount: remountWith,
  detach: (_volume, entry, working) => unmountTree(working, entry, () => false),
  capabilities: async () => ({
    snapshots: "zfs snapshot",
    clones: "zfs clone",
    atomic: true,
    grows: true,
    note: "",
  }),
  snapshots: zfsSnapshots,
  snapshot: zfsSnapshot,
  removeSnapshot: removeZfsSnapshot,
  cloneFrom: async (origin, target, working) => {
    await sweep(target, working);
    return zfsClone(origin, target, working, (clone) => replaceNotes(origin, target, clone, working));
  },
  attachReadOnly,
};

const LOOKED_AT = ["type", "guid", "mountpoint", "canmount", "quota", "refquota", "origin", MARKER];

/** @throws RootloomError when the pool is not imported: that a dataset cannot be seen does not say that it is gone. */
async function observe(volume: VolumeSubject, looking: Looking): Promise<Device> {
  const datasets = await listDatasets(looking);
  requirePool(volume, datasets);
  if (!datasets.has(volume.device)) return NO_DEVICE;
  const found = await propertiesOf(looking, volume.device, LOOKED_AT);
  const value = (name: string) => found.get(name)?.value ?? "";
  const why = whyForeign(found, looking.instance, volume.name);
  const type = value("type");
  return {
    ...NO_DEVICE,
    state: why === undefined ? "ours" : "foreign",
    what: why === undefined ? "" : `a zfs ${type}, ${why}`,
    about: why === undefined ? [] : aboutLines(volume, found, { datasets, looking }),
    unadoptable: type === "filesystem" ? "" : `${volume.device} is a ${type}, no filesystem`,
    identity: value("guid"),
    filesystem: "zfs",
    size_bytes: quotaOf(found),
    sources: [volume.device],
  };
}

async function obstacle({ device }: VolumeResource, looking: Looking): Promise<Obstacle | undefined> {
  const parent = parentOf(device);
  if (parent === "")
    return {
      why: `${device} is a whole pool`,
      hint: `choose a dataset in it, such as ${device}/roots`,
      passing: false,
    };
  if ((await listDatasets(looking)).has(parent)) return undefined;
  return {
    why: `its parent dataset ${parent} is not there`,
    hint: `zfs create -o canmount=off ${parent}`,
    passing: true,
  };
}

async function sweep(volume: VolumeSubject, working: Working): Promise<void> {
  await sweepAttached(volume, working);
  await sweepDatasets(volume, working);
  await sweepSnapshots(volume, working);
}

async function resize({ device, size_bytes }: VolumeResource, working: Working): Promise<void> {
  if (size_bytes === undefined) return;
  const quota = Number((await propertiesOf(working, device, ["quota"])).get("quota")?.value ?? 0);
  if (quota > 0 && quota < size_bytes) await zfs(working, ["set", `quota=${size_bytes}`, device]);
  await zfs(working, ["set", `refquota=${size_bytes}`, device]);
}

async function destroy(volume: VolumeSubject, working: Working): Promise<void> {
  await requireNothingBelow(volume, working);
  await removeSnapshots(volume, working);
  await destroyDataset(working, volume.device);
}

async function requireRemovable(volume: VolumeSubject, working: Working): Promise<void> {
  await requireNothingBelow(volume, working);
  await findRemovable(volume, working);
}

async function requireNothingBelow(volume: VolumeSubject, working: Working): Promise<void> {
  const inside = [...(await listDatasets(working))].filter((name) => name.startsWith(`${volume.device}/`));
  if (inside.length > 0)
    throw new RootloomError(`cannot delete volume ${volume.name}: datasets are below it: ${inside.join(", ")}`, {
      hint: `move them away, or \`rootloom forget volume/${volume.name}\``,
    });
}

function requirePool({ name, device }: VolumeSubject, datasets: ReadonlySet<string>): void {
  const pool = poolOf(device);
  if (datasets.has(pool)) return;
  throw new RootloomError(`cannot look at volume ${name}: the pool ${pool} is not imported`, {
    hint: `zpool import ${pool}`,
    retry: "waiting",
    condition: "PoolMissing",
  });
}

/** The lesser of the two quotas; 0 is none. */
function quotaOf(found: ReadonlyMap<string, Property>): number | undefined {
  const set = ["quota", "refquota"].map((name) => Number(found.get(name)?.value ?? 0)).filter((size) => size > 0);
  return set.length === 0 ? undefined : Math.min(...set);
}

function aboutLines(
  { device }: VolumeSubject,
  found: ReadonlyMap<string, Property>,
  { datasets, looking }: { readonly datasets: ReadonlySet<string>; readonly looking: Looking },
): readonly string[] {
  const { files } = looking.host;
  const below = [...datasets].filter((name) => name.startsWith(`${device}/`)).length;
  const mount = files.mounts().find(({ source }) => source === device);
  const entries = mount === undefined ? "unknown, since it is not mounted" : topEntries(files, mount.target);
  const lines = ["type", "guid", "mountpoint", "quota", "refquota", "origin"].flatMap((name) => {
    const value = found.get(name)?.value ?? "";
    return value === "" || value === "0" ? [] : [`${name}: ${value}`];
  });
  return [...lines, ...(below === 0 ? [] : [`datasets below it: ${below}`]), `in it: ${entries}`];
}
