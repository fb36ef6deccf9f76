import { posix } from "node:path";
import type { Json } from "../../core/digest.ts";
import { type EntryType, showPath, toTreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { Files } from "../../host/ports.ts";
import { identityOf, type Marker, OWN_FOLDER, ownership, readMarker, writeMarker } from "../marker.ts";
import type { Places } from "../types.ts";
import type { VolumeSubject, Working } from "./backends/backend.ts";

/** What stands at a volume's path, and whose it is. */
export interface Top {
  readonly state: "absent" | "ours" | "foreign";
  /** For people, of a foreign one: `a directory with 12 entries, not made by Rootloom`. */
  readonly what: string;
  readonly type: EntryType | "nothing";
  readonly inode: number;
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
}

const NAMED_ENTRIES_MAX = 8;

/** `PATH/.rootloom/volume.json`. */
export function volumeMarkerPath(path: string): string {
  return posix.join(path, OWN_FOLDER, "volume.json");
}

/** Looks at the top of a volume and its marker. */
export function standing(path: string, name: string, places: Pick<Places, "instance">, files: Files): Top {
  const stat = files.stat(path);
  if (stat === undefined) return { state: "absent", what: "", type: "nothing", inode: 0, mode: 0, owner: 0, group: 0 };
  const { type, inode, mode, owner, group } = stat;
  if (type !== "directory") return { state: "foreign", what: describe(type, 0), type, inode, mode, owner, group };
  const marker = readMarker(files, volumeMarkerPath(path));
  const whose = ownership(marker, places.instance, inode, files.filesystemIdentity(path), stat.born);
  const state = whose.verdict === "ours" && (marker as Marker).name === name ? "ours" : "foreign";
  const other = whose.verdict === "ours" ? `marked as volume ${(marker as Marker).name}` : whose.reason;
  const what = state === "ours" ? "" : `${describe(type, files.list(path)?.length ?? 0)}, ${other}`;
  return { state, what, type, inode, mode, owner, group };
}

/** Says by a marker in the top itself that the directory at a path is this volume's top, and ours. */
export function markTop(
  volume: VolumeSubject,
  working: Working,
  { path, details = {} }: { readonly path: string; readonly details?: { readonly [key: string]: Json } },
): void {
  const { files, clock } = working.host;
  const folder = posix.join(path, OWN_FOLDER);
  const stat = files.stat(folder);
  if (stat !== undefined && stat.type !== "directory")
    throw new RootloomError(`cannot mark volume ${volume.name}: ${folder} is a ${stat.type}`, {
      hint: `move ${folder} away`,
    });
  if (stat === undefined) files.makeDirectory(folder, { owner: 0, group: 0, mode: 0o700 });
  writeMarker(files, volumeMarkerPath(path), {
    version: 1,
    instance: working.instance,
    kind: "volume",
    name: volume.name,
    identity: identityOf(files, path),
    runId: working.runId,
    createdAt: new Date(clock.now_ms()).toISOString(),
    inputs: {},
    details: { backend: volume.backend, ...details },
  });
}

/** The first entries of a directory, for a person who is to say whether it may be adopted. */
export function topEntries(files: Files, path: string): string {
  return namesText((files.list(path) ?? []).filter((name) => name !== OWN_FOLDER));
}

/** The first of these names. Whoever chose them does not write on the terminal of whoever reads them. */
export function namesText(names: readonly string[]): string {
  const shown = names.slice(0, NAMED_ENTRIES_MAX).map((name) => showPath(toTreePath(name)));
  const more = names.length > shown.length ? `, and ${names.length - shown.length} more` : "";
  return names.length === 0 ? "nothing" : `${shown.join(", ")}${more}`;
}

export function describe(type: EntryType, entries: number): string {
  if (type === "directory") return `a directory with ${entries} ${entries === 1 ? "entry" : "entries"}`;
  return type === "symlink" ? "a symbolic link" : `a ${type}`;
}
