import { posix } from "node:path";
import { RootloomError } from "../core/error.ts";
import type { Attributes, Files, Host } from "../host/ports.ts";
import { checkHostPath, isWithin } from "./limits.ts";
import { identityOf, ownership, readMarker, writeMarker } from "./marker.ts";
import { shortRun } from "./owned.ts";
import { removeDirectory } from "./remove.ts";
import type { ApplyContext, Places } from "./types.ts";

/**
 * A directory of ours that holds generations, with a marker in it that says so. It is made beside under a name of its own
 * and renamed when it is marked, and moved out of its place before anything of it goes: a kill leaves it whole, or a
 * temporary that is swept.
 */
export interface MarkedDirectory {
  readonly kind: "artifact" | "kernel";
  readonly name: string;
  readonly path: string;
}

export interface Whose {
  readonly state: "absent" | "foreign" | "ours";
  /** Completes "it is ..." for a foreign directory. */
  readonly whose: string;
}

const MAKING = {
  artifact: { verb: "pack", document: "Image" },
  kernel: { verb: "build", document: "KernelConfig" },
} as const;

/** What is written beside the generations and is none itself. */
const WORK = /^\.(build|damaged|check|publish)-/;

const SHORT_RUN_LENGTH = 8;

type Look = Pick<Places, "instance"> & { readonly host: Pick<Host, "files"> };

/** Whose a directory is, by its marker and its own identity. */
export function whoseIs(path: string, { host: { files }, instance }: Look): Whose {
  const stat = files.stat(path);
  if (stat === undefined) return { state: "absent", whose: "" };
  if (stat.type !== "directory") return { state: "foreign", whose: `a ${stat.type}` };
  const { filesystem, inode, born } = identityOf(files, path);
  const { verdict, reason } = ownership(readMarker(files, markerPath(path)), instance, inode, filesystem, born);
  return verdict === "ours" ? { state: "ours", whose: "" } : { state: "foreign", whose: reason };
}

/** What observe saw, asked again just before: a link in the path, or the limits, may be others by now. */
export function requireAllowed(path: string, context: ApplyContext): void {
  const refused = checkHostPath(context.host.files, path, context.limits, context.state);
  if (refused !== undefined) throw refused;
}

/** Also that the directory is still the one that we marked: it may have been exchanged while the intent was written down. */
export function requireOurs(path: string, context: ApplyContext): void {
  requireAllowed(path, context);
  const { state, whose } = whoseIs(path, context);
  if (state === "ours") return;
  throw new RootloomError(`cannot change ${path}: it is ${state === "absent" ? "gone" : whose}`, {
    hint: "look at it; the next pass observes it again",
  });
}

/** Makes the directory with its marker, or finds that the one there is ours. */
export async function makeMarked(directory: MarkedDirectory, context: ApplyContext): Promise<void> {
  const { kind, name, path } = directory;
  const { files, clock } = context.host;
  const { state, whose } = whoseIs(path, context);
  if (state === "ours") return;
  const { verb, document } = MAKING[kind];
  if (state === "foreign")
    throw new RootloomError(`cannot ${verb} into ${path}: it is ${whose}`, {
      hint: `move it away, or give the ${document} another name`,
    });
  files.makeDirectories(posix.dirname(path));
  const beside = temporaryPlace(directory, context);
  await context.effect(`${kind}.make-directory`, { path }, async () => {
    await sweepTemporaries(directory, context);
    files.makeDirectories(beside);
    const { instance, runId } = context;
    const createdAt = new Date(clock.now_ms()).toISOString();
    const marker = { instance, kind, name, runId, createdAt, inputs: {}, details: {} };
    const attributes = attributesIn(files, beside, 0o600);
    writeMarker(files, markerPath(beside), { version: 1, identity: identityOf(files, beside), ...marker }, attributes);
    files.rename(beside, path);
  });
}

/**
 * Removes the directory with all that is in it: whoever reads it has a whole generation or none.
 * @throws RootloomError where it is not ours, or something is mounted in it: then it stands as it did.
 */
export async function removeMarked(directory: MarkedDirectory, context: ApplyContext): Promise<void> {
  const { path } = directory;
  const { files } = context.host;
  const mounted = files.mounts().find(({ target }) => isWithin(target, path));
  if (mounted !== undefined)
    throw new RootloomError(`cannot delete ${path}: something is mounted at ${mounted.target}`, {
      hint: `umount ${mounted.target}`,
      retry: "waiting",
      condition: "Mounted",
    });
  requireOurs(path, context);
  const aside = temporaryPlace(directory, context);
  files.rename(path, aside);
  const { state, whose } = whoseIs(aside, context);
  if (state !== "ours") {
    // It was exchanged between the look and the rename.
    files.rename(aside, path);
    throw new RootloomError(`cannot delete ${path}: it is ${whose}`, {
      hint: "look at it; the next pass observes it again",
    });
  }
  await sweepTemporaries(directory, context);
}

/** Removes what killed creations and removals left beside the directory. */
export async function sweepTemporaries(
  directory: MarkedDirectory,
  { host, instance }: Pick<ApplyContext, "host" | "instance">,
): Promise<void> {
  const parent = posix.dirname(directory.path);
  const prefix = temporaryPrefix(directory, instance);
  for (const name of host.files.list(parent) ?? [])
    if (name.startsWith(prefix) && name.length === prefix.length + SHORT_RUN_LENGTH)
      await removeDirectory(host, posix.join(parent, name));
}

/** Removes what killed or failed work left in a directory of ours. */
export async function sweepWork(path: string, { host }: Pick<ApplyContext, "host">): Promise<void> {
  for (const name of host.files.list(path) ?? [])
    if (WORK.test(name)) await removeDirectory(host, posix.join(path, name));
}

/** Owner and group of files beside: those of the directory, so that an ordinary user can pack too. */
export function attributesIn(files: Files, directory: string, mode: number): Attributes {
  const stat = files.stat(directory);
  return { owner: stat?.owner ?? 0, group: stat?.group ?? 0, mode };
}

function temporaryPlace(directory: MarkedDirectory, { instance, runId }: ApplyContext): string {
  return posix.join(posix.dirname(directory.path), `${temporaryPrefix(directory, instance)}${shortRun(runId)}`);
}

function temporaryPrefix({ name }: MarkedDirectory, instance: string): string {
  return `.rootloom-${instance.slice(0, 8)}-${name}-`;
}

function markerPath(path: string): string {
  return `${path}/.rootloom.json`;
}
