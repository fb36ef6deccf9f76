import { posix } from "node:path";
import type { VolumeResource } from "../../../../core/resource.ts";
import type { VolumeSubject, Working } from "../backend.ts";
import { leftBeside, placeNew } from "../beside.ts";
import { markImage } from "./image.ts";

/** Marks an image under its temporary name, and renames it into place once all of it is durable. */
export async function place(volume: VolumeResource, temporary: string, working: Working): Promise<void> {
  working.host.files.syncFilesystem(posix.dirname(temporary));
  if (working.host.files.stat(volume.device) === undefined)
    await markImage(volume, working, { path: temporary, adopted: false });
  placeNew(volume, temporary, volume.device, working);
}

export function sweep(volume: VolumeSubject, working: Working): void {
  const { files } = working.host;
  for (const path of leftBeside(volume, volume.device, working))
    if (files.stat(path)?.type === "file") files.removeFile(path);
}
