import { posix } from "node:path";
import { OWN_FOLDER } from "../../../marker.ts";
import { unmountTree } from "../../../mount/unmount.ts";
import type { Attachment, CloneOrigin, VolumeSubject, Working } from "../backend.ts";
import { noteClone, requireSnapshot } from "../copies.ts";
import { attachAt, makeAttachPoint, sweepAttached } from "../read-only.ts";
import { readingName } from "../temporary.ts";
import { destroyDataset, parentOf, zfs } from "./commands.ts";
import { sweepSnapshots, zfsSnapshots } from "./snapshots.ts";
import { sweepDatasets } from "./sweep.ts";

/**
 * Makes a snapshot readable below the state directory; of the present, where none is named, one is taken for as long as it
 * is read. OpenZFS mounts a snapshot itself; older versions read it through a clone.
 */
export async function attachReadOnly(
  volume: VolumeSubject,
  name: string | undefined,
  working: Working,
): Promise<Attachment> {
  if (name !== undefined) requireSnapshot(await zfsSnapshots(volume, working), volume, name);
  await sweepAttached(volume, working);
  await sweepDatasets(volume, working);
  await sweepSnapshots(volume, working);
  const undo: (() => Promise<void>)[] = [];
  const detach = async () => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const snapshot = `${volume.device}@${name ?? readingName(working)}`;
    if (name === undefined) {
      await zfs(working, ["snapshot", snapshot]);
      undo.push(() => destroyDataset(working, snapshot));
    }
    const means = name === undefined ? "read from a zfs snapshot of this moment" : `read from zfs snapshot ${name}`;
    const path = await mountSnapshot(volume, snapshot, working, undo);
    return { path, means, frozen: true, detach };
  } catch (thrown) {
    await detach();
    throw thrown;
  }
}

/** Puts the clone's note in the place of the origin's own notes in a clone that is ours alone. */
export async function replaceNotes(
  origin: CloneOrigin,
  volume: VolumeSubject,
  clone: string,
  working: Working,
): Promise<void> {
  await sweepAttached(volume, working);
  const path = await mountAt(volume, clone, "rw", working);
  const notes = posix.join(path, OWN_FOLDER);
  const inode = working.host.files.stat(notes)?.inode;
  if (inode !== undefined) await working.host.jobs.run("remove", { path: notes, inode });
  noteClone(origin, path, working);
  await unmountFrom(path, working);
  await zfs(working, ["set", "mountpoint=none", clone]);
}

/** What has to be undone again, the last first, is noted in `undo`. */
async function mountSnapshot(
  volume: VolumeSubject,
  snapshot: string,
  working: Working,
  undo: (() => Promise<void>)[],
): Promise<string> {
  if (working.host.processes.find("mount.zfs") !== undefined) {
    const attached = await attachAt(volume, { device: snapshot, type: "zfs", options: ["ro"], means: "" }, working);
    undo.push(attached.detach);
    return attached.path;
  }
  const clone = `${parentOf(volume.device)}/${readingName(working, { owner: `${volume.name}.` })}`;
  await zfs(working, ["clone", "-o", "canmount=noauto", "-o", "mountpoint=none", "-o", "readonly=on", snapshot, clone]);
  undo.push(() => destroyDataset(working, clone));
  const path = await mountAt(volume, clone, "ro", working);
  undo.push(() => unmountFrom(path, working));
  return path;
}

/** Mounts a dataset that is ours alone where `sweepAttached` finds it. */
async function mountAt(volume: VolumeSubject, dataset: string, option: string, working: Working): Promise<string> {
  const path = makeAttachPoint(volume, working);
  await mountDataset(dataset, path, option, working);
  return path;
}

/** The mount point is a property of the dataset, so that `zfs mount` by hand leads to the same place. */
export async function mountDataset(dataset: string, path: string, options: string, working: Working): Promise<void> {
  await zfs(working, ["set", `mountpoint=${path}`, dataset]);
  // Some versions mount a dataset at once when its mount point is set, without the options.
  const early = working.host.files.mounts().find(({ source }) => source === dataset);
  if (early !== undefined) await unmountTree(working, early, () => false);
  await zfs(working, ["mount", ...(options === "" ? [] : ["-o", options]), dataset]);
}

async function unmountFrom(path: string, working: Working): Promise<void> {
  const { files } = working.host;
  const real = files.realPath(path) ?? path;
  const entry = files.mounts().findLast(({ target }) => target === real);
  if (entry !== undefined) await unmountTree(working, entry, () => false);
  files.removeDirectory(path);
}
