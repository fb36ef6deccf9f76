import type { Files } from "../../host/ports.ts";
import type { ApplyContext, OpenEffect } from "../types.ts";
import type { Device, VolumeSubject } from "./backends/backend.ts";
import { backendOf, backends } from "./backends/index.ts";
import { destroy } from "./destroy.ts";
import { checkLimits } from "./observe.ts";

/**
 * Removes what a killed creation or deletion left under a temporary name, and completes a deletion that had unmounted its volume
 * already; everything else the next look sees.
 */
export async function recoverVolume(open: OpenEffect, context: ApplyContext): Promise<void> {
  if (open.effect === "volume.create" || open.effect === "volume.delete") await sweepVolume(open, context);
  const volume = usable(open, context);
  if (volume === undefined || open.effect !== "volume.delete" || !backendOf(volume).mounts) return;
  const found = await backendOf(volume).observe(volume, context);
  if (found.state !== "ours" || isMounted(found, context.host.files)) return;
  await destroy(volume, backendOf(volume), context);
}

/** Removes what interrupted work left of the volume that an effect names: a creation, or a reading of it. */
export async function sweepVolume(open: OpenEffect, context: ApplyContext): Promise<void> {
  const volume = usable(open, context);
  if (volume !== undefined) await backendOf(volume).sweep(volume, context);
}

/** The volume that an effect names, where the host still allows it. */
function usable({ details }: OpenEffect, context: ApplyContext): VolumeSubject | undefined {
  const { name, backend, path, device } = details as unknown as VolumeSubject;
  const volume = { name, backend, path, device };
  if (backends[backend] === undefined || checkLimits(volume, context) !== undefined) return undefined;
  return volume;
}

function isMounted({ sources }: Device, files: Files): boolean {
  return files.mounts().some(({ source }) => sources.includes(source));
}
