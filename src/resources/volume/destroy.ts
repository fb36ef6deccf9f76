import type { ApplyContext } from "../types.ts";
import type { VolumeBackend, VolumeSubject } from "./backends/backend.ts";

/** Removes a detached volume with all in it, and the empty directory that it was mounted on. */
export async function destroy(volume: VolumeSubject, backend: VolumeBackend, context: ApplyContext): Promise<void> {
  const { files } = context.host;
  await backend.destroy(volume, context);
  const { path } = volume;
  const isEmpty = files.stat(path)?.type === "directory" && files.list(path)?.length === 0;
  if (backend.mounts && isEmpty) files.removeDirectory(path);
}
