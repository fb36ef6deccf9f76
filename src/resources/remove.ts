import type { Host } from "../host/ports.ts";

/**
 * Removes a directory that was just seen to be ours, with all in it, in a thread of its own: a root takes seconds.
 * Gone already is fine; one that was replaced since, or holds a mount, is refused.
 */
export async function removeDirectory({ files, jobs }: Pick<Host, "files" | "jobs">, path: string): Promise<void> {
  const stat = files.stat(path);
  if (stat?.type === "directory") await jobs.run("remove", { path, inode: stat.inode });
}
