import { posix } from "node:path";
import { RootloomError } from "../../../core/error.ts";
import type { OwnedRecord, TreeResource } from "../../../core/resource.ts";
import { readMarker } from "../../marker.ts";
import type { Looking, Means, VolumeSubject } from "../../volume/backends/backend.ts";
import { markedSnapshots } from "../../volume/backends/copies.ts";
import { backendOf } from "../../volume/backends/index.ts";
import { subjectOf } from "../../volume/observe.ts";
import { treePaths } from "../paths.ts";
import { readSnapshotName } from "./name.ts";

export type SnapshotSubject = Pick<TreeResource, "name" | "path" | "volumePath" | "volume">;

/** A snapshot of a root: the backend's own of the whole volume, or a copy of the root on it. */
export interface RootSnapshot {
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** Where a copy stands, laid out as the volume is; undefined where the backend keeps it. */
  readonly copy: string | undefined;
  readonly means: Means | "";
  /** The change that it was taken before: `replace`; `person` where somebody asked; empty where its note is lost. */
  readonly reason: string;
  readonly note: string;
  readonly who: string;
  readonly revision: string;
}

export interface ListingContext extends Looking {
  readonly owned: (id: string) => OwnedRecord | undefined;
}

/** Snapshots of a root that we took, oldest first. Writes nothing. */
export async function listSnapshots(tree: SnapshotSubject, context: ListingContext): Promise<readonly RootSnapshot[]> {
  const volume = volumeOf(tree, context);
  const { snapshots: folder } = treePaths(tree.volumePath, tree.name);
  // A directory's own snapshots are copies of all of the volume: roots on it have theirs.
  const native = volume.backend === "directory" ? [] : await backendOf(volume).snapshots(volume, context);
  const found = [
    ...native.map(({ name }) => ({ name, copy: undefined })),
    ...markedSnapshots(folder, volume, context).map(({ name }) => ({ name, copy: posix.join(folder, name) })),
  ];
  return found
    .flatMap(({ name, copy }) => {
      const read = readSnapshotName(name);
      if (read === undefined || read.root !== tree.name) return [];
      return [{ name, createdAt: read.createdAt, copy, ...noteOf(posix.join(folder, `${name}.json`), context) }];
    })
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** The volume of a root, as its record knows it. */
export function volumeOf(tree: SnapshotSubject, { owned }: Pick<ListingContext, "owned">): VolumeSubject {
  const record = owned(tree.volume);
  if (record !== undefined) return subjectOf(record);
  throw new RootloomError(`cannot look at snapshots of tree ${tree.name}: ${tree.volume} was not made yet`, {
    hint: "rootloom apply",
  });
}

/** Where the root's top is in something that is laid out as its volume. */
export function topIn(tree: Pick<TreeResource, "path" | "volumePath">, volume: string): string {
  return posix.join(volume, posix.relative(tree.volumePath, tree.path));
}

type Note = Pick<RootSnapshot, "means" | "reason" | "note" | "who" | "revision">;

function noteOf(path: string, { host }: Looking): Note {
  const marker = readMarker(host.files, path);
  const details = marker === undefined || marker === "invalid" ? {} : marker.details;
  const text = (key: string): string => (typeof details[key] === "string" ? details[key] : "");
  return {
    means: text("means") as Note["means"],
    reason: text("reason"),
    note: text("note"),
    who: text("who"),
    revision: text("revision"),
  };
}

/** Notes of ours in the folder whose snapshot is not there: a kill came between, or somebody removed it. */
export function strayNotes(tree: SnapshotSubject, found: readonly RootSnapshot[], context: Looking): readonly string[] {
  const { snapshots: folder } = treePaths(tree.volumePath, tree.name);
  const names = (context.host.files.list(folder) ?? []).filter((name) => name.endsWith(".json"));
  return names.flatMap((file) => {
    const name = file.slice(0, -".json".length);
    const path = posix.join(folder, file);
    if (readSnapshotName(name)?.root !== tree.name || found.some((each) => each.name === name)) return [];
    const marker = readMarker(context.host.files, path);
    return marker !== undefined && marker !== "invalid" && marker.instance === context.instance ? [path] : [];
  });
}
