import type { Host } from "../../host/ports.ts";
import { ownership, readMarker } from "../marker.ts";
import type { Places } from "../types.ts";
import { treePaths } from "./paths.ts";

/** Whether what stands in a root's place is another's, or a copy: what lies beside the root was copied with it. */
export function isAnothers(
  { treePath, volumePath, tree }: { readonly treePath: string; readonly volumePath: string; readonly tree: string },
  { host: { files }, instance }: Places & { readonly host: Pick<Host, "files"> },
): boolean {
  const stat = files.stat(treePath);
  const marker = readMarker(files, treePaths(volumePath, tree).marker);
  if (stat === undefined || marker === undefined) return false;
  const filesystem = files.filesystemIdentity(treePath);
  return ownership(marker, instance, stat.inode, filesystem, stat.born).verdict === "foreign";
}
