import type { Json } from "../core/digest.ts";
import { RootloomError } from "../core/error.ts";
import type { Attributes, Files } from "../host/ports.ts";

const MARKED_KINDS = ["volume", "tree", "artifact", "snapshot", "image", "kernel", "publish"] as const;

/**
 * What we leave beside an object that we made: whose it is and which object it means. A marker that
 * was copied or inherited names another inode or filesystem, and is foreign (DESIGN, rule 5).
 */
export interface Marker {
  readonly version: 1;
  /** Id of the installation that made the object. */
  readonly instance: string;
  readonly kind: (typeof MARKED_KINDS)[number];
  readonly name: string;
  readonly identity: MarkerIdentity;
  readonly runId: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly details: { readonly [key: string]: Json };
}

export interface MarkerIdentity {
  readonly filesystem: string;
  readonly inode: number;
  /** Time of birth: a directory that was removed and made again often gets its old inode number. Absent where unknown. */
  readonly born?: string;
}

export interface Ownership {
  readonly verdict: "ours" | "foreign";
  /** Completes "it is ...". */
  readonly reason: string;
}

/** Folder at the top of a volume with our own files: 0700, never part of a tree or an image. */
export const OWN_FOLDER = ".rootloom";

/** The marker in a file: undefined when there is none, "invalid" when something stands there that is no marker. */
export function readMarker(files: Files, path: string): Marker | undefined | "invalid" {
  const type = files.stat(path)?.type;
  if (type === undefined) return undefined;
  if (type !== "file") return "invalid";
  const text = files.readText(path);
  return text === undefined ? undefined : parseMarker(text);
}

/** A marker's text: "invalid" when it is none. */
export function parseMarker(text: string): Marker | "invalid" {
  try {
    const value: unknown = JSON.parse(text);
    return isMarker(value) ? value : "invalid";
  } catch {
    return "invalid";
  }
}

/** Durable when it returns; root's and 0600 unless told otherwise. Its directory must exist. */
export function writeMarker(
  files: Files,
  path: string,
  marker: Marker,
  attributes: Attributes = { owner: 0, group: 0, mode: 0o600 },
): void {
  files.writeFile(path, `${JSON.stringify(marker, undefined, 2)}\n`, attributes);
}

/** Says whether an object is the one that a marker means, and made by this installation. */
export function ownership(
  marker: Marker | undefined | "invalid",
  instance: string,
  inode: number,
  filesystem: string,
  born = "",
): Ownership {
  if (marker === undefined) return { verdict: "foreign", reason: "not made by Rootloom" };
  if (marker === "invalid") return { verdict: "foreign", reason: "marked by a file that cannot be read" };
  if (marker.instance !== instance)
    return { verdict: "foreign", reason: `made by another installation (${marker.instance.slice(0, 8)})` };
  if (!sameObject(marker.identity, { inode, filesystem, born }))
    return { verdict: "foreign", reason: "a copy: its marker names another object" };
  return { verdict: "ours", reason: `made by run ${marker.runId}` };
}

/** Identity of the object at a path, as a marker holds it. */
export function identityOf(files: Files, path: string): MarkerIdentity {
  const stat = files.stat(path);
  if (stat === undefined) throw new RootloomError(`cannot mark ${path}: it is not there`);
  const { inode, born } = stat;
  return { filesystem: files.filesystemIdentity(path), inode, ...(born === "" ? {} : { born }) };
}

/** Whether two looks saw one object. What one of them could not tell does not count. */
export function sameObject(recorded: MarkerIdentity, observed: MarkerIdentity): boolean {
  const { born = "" } = recorded;
  const sameBirth = born === "" || (observed.born ?? "") === "" || born === observed.born;
  return recorded.inode === observed.inode && sameBirth && sameFilesystem(recorded.filesystem, observed.filesystem);
}

/**
 * Where a filesystem has no uuid its name is a number that the next boot may give to another (`device:`, or `mount:`):
 * then the inode alone decides.
 */
export function sameFilesystem(recorded: string, observed: string): boolean {
  return recorded === observed || (isPassing(recorded) && isPassing(observed));
}

function isPassing(filesystem: string): boolean {
  return filesystem.startsWith("device:") || filesystem.startsWith("mount:");
}

function isMarker(value: unknown): value is Marker {
  if (typeof value !== "object" || value === null) return false;
  const marker = value as Partial<Record<keyof Marker, unknown>>;
  const identity = marker.identity as Partial<MarkerIdentity> | null | undefined;
  return (
    marker.version === 1 &&
    typeof marker.instance === "string" &&
    (MARKED_KINDS as readonly unknown[]).includes(marker.kind) &&
    typeof marker.name === "string" &&
    typeof marker.runId === "string" &&
    typeof marker.createdAt === "string" &&
    isObject(marker.inputs) &&
    Object.values(marker.inputs as object).every((input) => typeof input === "string") &&
    isObject(marker.details) &&
    typeof identity?.filesystem === "string" &&
    typeof identity.inode === "number" &&
    (identity.born === undefined || typeof identity.born === "string")
  );
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
