import type { VolumeSubject, Working } from "../backend.ts";
import { isLeftReading, isTemporaryName } from "../temporary.ts";
import { destroyDataset, listDatasets, parentOf } from "./commands.ts";

/** Removes the datasets that interrupted creations and readings of a volume left beside it. */
export async function sweepDatasets(volume: VolumeSubject, working: Working): Promise<void> {
  const above = `${parentOf(volume.device)}/`;
  const mounted = new Set(working.host.files.mounts().map(({ source }) => source));
  for (const dataset of await listDatasets(working)) {
    const name = dataset.startsWith(above) ? dataset.slice(above.length) : "";
    const isLeft = isTemporaryName(name, volume, working) || isLeftReading(name, working, { owner: `${volume.name}.` });
    // One that is mounted is being read.
    if (isLeft && !mounted.has(dataset)) await destroyDataset(working, dataset);
  }
}
