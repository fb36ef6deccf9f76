import { posix } from "node:path";
import type { Files } from "../../host/ports.ts";
import { type Marker, ownership, readMarker } from "../marker.ts";
import type { Places } from "../types.ts";
import { buildPaths, isBuildOf, treePaths } from "./paths.ts";

export interface Built {
  /** Folder below `.rootloom/build`. */
  readonly folder: string;
  readonly marker: Marker;
  /** Source key it was made from. */
  readonly source: string;
}

/** A build of this tree that is whole (its marker was written last) but not placed. */
export function findBuilt(
  tree: { readonly name: string; readonly volumePath: string },
  places: Places,
  files: Files,
): Built | undefined {
  const { builds } = treePaths(tree.volumePath, tree.name);
  for (const entry of files.list(builds) ?? []) {
    if (!isBuildOf(entry, tree.name)) continue;
    const built = readBuilt(posix.join(builds, entry), places, files);
    // A copy of a snapshot is nothing to go on with: only the command that made it places it.
    if (built !== undefined && built.marker.details.snapshot === undefined) return built;
  }
  return undefined;
}

/** The build in a folder when it is whole and ours. */
export function readBuilt(folder: string, places: Places, files: Files): Built | undefined {
  const { root, marker: path } = buildPaths(folder);
  const stat = files.stat(root);
  if (stat?.type !== "directory") return undefined;
  const marker = readMarker(files, path);
  const whose = ownership(marker, places.instance, stat.inode, files.filesystemIdentity(root), stat.born);
  if (whose.verdict === "foreign" || marker === undefined || marker === "invalid") return undefined;
  return { folder, marker, source: marker.inputs.source ?? "" };
}
