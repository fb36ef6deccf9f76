import { RootloomError } from "../../../../core/error.ts";
import type { VolumeResource } from "../../../../core/resource.ts";
import type { CloneOrigin, Looking, Means, Snapshot, VolumeSubject, Working } from "../backend.ts";
import { requireSnapshot } from "../copies.ts";
import { requireNotMounted } from "../in-use.ts";
import { checkSnapshotName, isLeftReading, isTemporaryName, temporaryName } from "../temporary.ts";
import { destroyDataset, getProperties, listDatasets, markDataset, parentOf, poolOf, zfs } from "./commands.ts";
import { MARKER, whyForeign } from "./marker.ts";

/** Those that we made of this volume, oldest first. */
export async function zfsSnapshots(volume: VolumeSubject, looking: Looking): Promise<readonly Snapshot[]> {
  const found = await allSnapshots(volume, looking);
  return found.flatMap(({ name, createdAt, identity, foreign }) =>
    foreign === undefined ? [{ name, createdAt, identity }] : [],
  );
}

/** Takes one under a name of ours, marks it with its own guid, and gives it its name. */
export async function zfsSnapshot(volume: VolumeSubject, name: string, working: Working): Promise<Snapshot> {
  checkSnapshotName(name);
  const before = await allSnapshots(volume, working);
  const standing = before.find((each) => each.name === name);
  if (standing?.foreign !== undefined)
    throw new RootloomError(
      `cannot take snapshot ${name} of volume ${volume.name}: there is one, ${standing.foreign}`,
      {
        hint: `choose another name, or zfs rename ${volume.device}@${name}`,
      },
    );
  if (standing !== undefined) return plain(standing);
  await sweepSnapshots(volume, working);
  const temporary = `${volume.device}@${temporaryName(volume, working)}`;
  await zfs(working, ["snapshot", temporary]);
  await markDataset(volume, temporary, working);
  await zfs(working, ["rename", temporary, `${volume.device}@${name}`]);
  return requireSnapshot(await zfsSnapshots(volume, working), volume, name);
}

export async function removeZfsSnapshot(volume: VolumeSubject, name: string, working: Working): Promise<void> {
  const found = (await allSnapshots(volume, working)).find((each) => each.name === name);
  if (found === undefined) return;
  const refuse = (why: string, hint: string) =>
    new RootloomError(`cannot remove snapshot ${name} of volume ${volume.name}: ${why}`, { hint });
  if (found.foreign !== undefined) throw refuse(`it is ${found.foreign}`, "only those that we made are removed");
  const clones = await clonesOf(`${volume.device}@${name}`, working);
  if (clones.length > 0)
    throw refuse(`${clones.join(", ")} was cloned from it`, `remove the clone first, or zfs promote ${clones[0]}`);
  const full = `${volume.device}@${name}`;
  requireNotMounted(
    volume,
    name,
    working.host.files.mounts().find(({ source }) => source === full),
  );
  await destroyDataset(working, full);
}

/** Clones under a name of ours, lets `settle` prepare it, marks it with its own guid, and gives it its name. */
export async function zfsClone(
  { volume: origin, snapshot: name }: CloneOrigin,
  target: VolumeResource,
  working: Working,
  settle: (clone: string) => Promise<void>,
): Promise<Means> {
  requireSnapshot(await zfsSnapshots(origin, working), origin, name);
  if (poolOf(origin.device) !== poolOf(target.device))
    throw new RootloomError(`cannot clone volume ${origin.name} as ${target.name}: they are in two pools`, {
      hint: `declare ${target.name} in the pool ${poolOf(origin.device)}`,
    });
  const temporary = `${parentOf(target.device)}/${temporaryName(target, working)}`;
  await zfs(working, ["clone", ...madeWith(target), `${origin.device}@${name}`, temporary]);
  await settle(temporary);
  await markDataset(target, temporary, working);
  await zfs(working, ["rename", temporary, target.device]);
  return "zfs clone";
}

/** Properties that a dataset of ours is made with: nothing mounts it by itself, nor under its temporary name. */
export function madeWith({ size_bytes }: Pick<VolumeResource, "size_bytes">): readonly string[] {
  const size = size_bytes === undefined ? [] : ["-o", `refquota=${size_bytes}`];
  return ["-o", "canmount=noauto", "-o", "mountpoint=none", ...size];
}

/** Removes the snapshots that interrupted work on this volume left. */
export async function sweepSnapshots(volume: VolumeSubject, working: Working): Promise<void> {
  if (!(await listDatasets(working)).has(volume.device)) return;
  for (const { name } of await allSnapshots(volume, working))
    if (isTemporaryName(name, volume, working) || isLeftReading(name, working))
      await destroyDataset(working, `${volume.device}@${name}`);
}

/** Removes all snapshots of a volume that is to go. Clones that were made of them are promoted: they take over what they share. */
export async function removeSnapshots(volume: VolumeSubject, working: Working): Promise<void> {
  await sweepSnapshots(volume, working);
  const clones = await findRemovable(volume, working);
  for (const clone of clones) await zfs(working, ["promote", clone]);
  // What somebody took meanwhile stays, and with it the dataset.
  for (const { name, alien } of await allSnapshots(volume, working))
    if (alien === undefined) await destroyDataset(working, `${volume.device}@${name}`);
}

/**
 * Clones that were made of a volume's snapshots.
 * @throws RootloomError where one, or a snapshot, is not ours. What interrupted work left is.
 */
export async function findRemovable(volume: VolumeSubject, working: Working): Promise<readonly string[]> {
  const found = await allSnapshots(volume, working);
  const isLeft = (name: string) => isTemporaryName(name, volume, working) || isLeftReading(name, working);
  const snapshots = found.filter(({ name }) => !isLeft(name));
  const clones = (await Promise.all(snapshots.map(({ name }) => clonesOf(`${volume.device}@${name}`, working)))).flat();
  await requireRemovable(volume, { snapshots, clones }, working);
  return clones;
}

interface FoundSnapshot extends Snapshot {
  /** Why it is not this volume's own; undefined when it is. */
  readonly foreign: string | undefined;
  /** Why it was not made by this installation at all. */
  readonly alien: string | undefined;
}

async function allSnapshots(volume: VolumeSubject, looking: Looking): Promise<readonly FoundSnapshot[]> {
  const names = ["guid", "creation", MARKER];
  const properties = await getProperties(looking, { dataset: volume.device, names, below: 1 });
  const found = [...properties].flatMap(([full, values]) => {
    if (!full.startsWith(`${volume.device}@`)) return [];
    const name = full.slice(volume.device.length + 1);
    const createdAt = new Date(Number(values.get("creation")?.value ?? 0) * 1000).toISOString();
    const foreign = whyForeign(values, looking.instance, volume.name);
    const alien = whyForeign(values, looking.instance, undefined);
    return [{ name, createdAt, identity: values.get("guid")?.value ?? "", foreign, alien }];
  });
  return found.sort((left, right) =>
    left.createdAt < right.createdAt ? -1 : left.createdAt > right.createdAt ? 1 : 0,
  );
}

/** Every dataset of the pool that was cloned from a snapshot. Old versions have no property that lists them. */
async function clonesOf(snapshot: string, looking: Looking): Promise<readonly string[]> {
  const below = Number.POSITIVE_INFINITY;
  const properties = await getProperties(looking, { dataset: poolOf(snapshot), names: ["origin"], below });
  return [...properties].flatMap(([name, values]) => (values.get("origin")?.value === snapshot ? [name] : []));
}

async function requireRemovable(
  volume: VolumeSubject,
  { snapshots, clones }: { readonly snapshots: readonly FoundSnapshot[]; readonly clones: readonly string[] },
  working: Working,
): Promise<void> {
  const refuse = (what: string, hint: string) =>
    new RootloomError(`cannot delete volume ${volume.name}: ${what}`, { hint });
  const foreign = snapshots.find(({ alien }) => alien !== undefined);
  if (foreign !== undefined) {
    const full = `${volume.device}@${foreign.name}`;
    throw refuse(
      `snapshot ${full} is ${foreign.alien}`,
      `zfs destroy ${full}, or \`rootloom forget volume/${volume.name}\``,
    );
  }
  for (const clone of clones) {
    const values = (await getProperties(working, { dataset: clone, names: ["guid", MARKER] })).get(clone) ?? new Map();
    const why = whyForeign(values, working.instance, undefined);
    if (why !== undefined) throw refuse(`${clone} was cloned from it, and is ${why}`, `zfs promote ${clone}`);
  }
}

function plain({ name, createdAt, identity }: Snapshot): Snapshot {
  return { name, createdAt, identity };
}
