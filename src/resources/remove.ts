import { isTemporary } from "../core/temporary.ts";
import type { Files, Host } from "../host/ports.ts";

/**
 * Removes a directory that was just seen to be ours, with all in it, in a thread of its own: a root takes seconds.
 * Gone already is fine; one that was replaced since, or holds a mount, is refused.
 */
export async function removeDirectory({ files, jobs }: Pick<Host, "files" | "jobs">, path: string): Promise<void> {
  const stat = files.stat(path);
  if (stat?.type === "directory") await jobs.run("remove", { path, inode: stat.inode });
}

/** Removes files in a directory of ours that a kill left half written. */
export function removeTemporaries(files: Files, directory: string): void {
  for (const name of files.list(directory) ?? [])
    if (isTemporary(name) && files.stat(`${directory}/${name}`)?.type === "file")
      files.removeFile(`${directory}/${name}`);
}
