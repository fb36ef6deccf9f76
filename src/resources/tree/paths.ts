import { posix } from "node:path";
import { OWN_FOLDER } from "../marker.ts";

/** Where a tree's own files stand, all on its volume. Absolute paths. */
export interface TreePaths {
  readonly own: string;
  readonly trees: string;
  readonly marker: string;
  readonly manifest: string;
  /** Of a tree that has steps: how it was before the first of them. */
  readonly sourceManifest: string;
  /** List of what overlays laid into the tree; the overlay kind writes it. */
  readonly laid: string;
  /** Which steps of provisioning the tree has behind it; the provision kind writes it. */
  readonly provision: string;
  readonly builds: string;
  readonly kept: string;
  readonly setAside: string;
  /** Snapshots of roots that are copies, and notes about all. */
  readonly snapshots: string;
}

export function treePaths(volumePath: string, name: string): TreePaths {
  const own = posix.join(volumePath, OWN_FOLDER);
  const trees = posix.join(own, "trees");
  return {
    own,
    trees,
    marker: posix.join(trees, `${name}.json`),
    manifest: posix.join(trees, `${name}.manifest`),
    sourceManifest: posix.join(trees, `${name}.source-manifest`),
    laid: posix.join(trees, `${name}.laid.json`),
    provision: posix.join(trees, `${name}.provision.json`),
    builds: posix.join(own, "build"),
    kept: posix.join(own, "kept"),
    setAside: posix.join(own, "set-aside"),
    snapshots: posix.join(own, "root-snapshots"),
  };
}

/** Parts of a build folder: the new top, its manifest, and the marker that is written when both are whole. */
export function buildPaths(folder: string): {
  readonly root: string;
  readonly manifest: string;
  /** Only where the top was made from a snapshot: the list of what overlays had laid into it, and its steps' note. */
  readonly laid: string;
  readonly provision: string;
  readonly marker: string;
} {
  return {
    root: posix.join(folder, "root"),
    manifest: posix.join(folder, "manifest"),
    laid: posix.join(folder, "laid.json"),
    provision: posix.join(folder, "provision.json"),
    marker: posix.join(folder, "marker.json"),
  };
}

/** True for `NAME-RUN`, RUN being the eight characters of `shortRun`, of exactly this tree, not of one whose name only begins alike. */
export function isBuildOf(folder: string, name: string): boolean {
  return folder.startsWith(`${name}-`) && folder.length === name.length + 1 + 8;
}
