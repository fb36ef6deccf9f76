import type { Host } from "../../../host/ports.ts";
import { holderOf } from "../../mount/match.ts";

/** Whether files on the filesystem of a path can share their blocks, so that a copy costs neither time nor room. */
export async function sharesBlocks({ files, processes }: Host, path: string): Promise<boolean> {
  const holder = holderOf(files.mounts(), files.realPath(path) ?? path);
  if (holder?.type === "btrfs") return true;
  if (holder?.type !== "xfs" || processes.find("xfs_info") === undefined) return false;
  const { stdout } = await processes.run({ file: "xfs_info", arguments: [holder.target], hostNamespace: true });
  return /\breflink=1\b/.test(stdout);
}

/** Whether two paths are on one filesystem; subvolumes of one share their blocks too (`uuid:FILESYSTEM:SUBVOLUME`). */
export function onOneFilesystem({ files }: Pick<Host, "files">, left: string, right: string): boolean {
  const whole = (path: string): string => files.filesystemIdentity(path).split(":").slice(0, 2).join(":");
  return whole(left) === whole(right);
}
