import { posix } from "node:path";
import { RootloomError } from "../../../core/error.ts";
import { isWithin } from "../../limits.ts";
import { OWN_FOLDER } from "../../marker.ts";
import type { Looking, Obstacle, VolumeSubject, Working } from "./backend.ts";
import { isTemporaryName, temporaryName } from "./temporary.ts";

/** Where a volume that is a file or directory is made: beside its place. */
export function temporaryPath(volume: VolumeSubject, place: string, working: Working): string {
  return posix.join(posix.dirname(place), temporaryName(volume, working));
}

/** Absolute paths of what interrupted creations and removals left beside a place. */
export function leftBeside(volume: VolumeSubject, place: string, working: Working): readonly string[] {
  const parent = posix.dirname(place);
  const names = working.host.files.list(parent) ?? [];
  return names.filter((name) => isTemporaryName(name, volume, working)).map((name) => posix.join(parent, name));
}

/** A directory above the place is missing, and is not one that we may make. */
export function missingParent(place: string, { host, state }: Looking): Obstacle | undefined {
  const parent = posix.dirname(place);
  const isThere = host.files.stat(host.files.realPath(parent) ?? parent)?.type === "directory";
  if (isThere || isWithin(parent, state)) return undefined;
  return {
    why: `its parent directory ${parent} is not there`,
    hint: `make or mount the directory above ${place}`,
    passing: true,
  };
}

/** Makes the missing directories above a place in the state directory; others must be there. */
export function makeParent(volume: VolumeSubject, place: string, { host, state }: Working): void {
  const parent = posix.dirname(place);
  if (isWithin(parent, state)) host.files.makeDirectories(parent);
  else if (host.files.realPath(parent) === undefined)
    throw new RootloomError(`cannot create volume ${volume.name}: its parent directory ${parent} is not there`, {
      hint: `make or mount ${parent}`,
    });
}

/** Renames what was made into its place, unless something appeared there meanwhile. */
export function placeNew(volume: VolumeSubject, temporary: string, place: string, { host }: Working): void {
  if (host.files.stat(place) !== undefined)
    throw new RootloomError(`cannot create volume ${volume.name}: ${place} is something that appeared meanwhile`, {
      hint: `rootloom adopt volume/${volume.name}, or move it away`,
    });
  host.files.rename(temporary, place);
}

/**
 * Removes a volume that is a directory, with its marker last: what a kill or a failure leaves at its place is still seen to be
 * ours, and what it leaves under a temporary name holds nothing but our own folder.
 */
export async function removeMarkedLast(volume: VolumeSubject, working: Working): Promise<void> {
  const { files, jobs } = working.host;
  const { path } = volume;
  const inode = files.stat(path)?.inode;
  if (inode === undefined) return;
  await jobs.run("remove", { path, inode, spareVolumes: true, keep: OWN_FOLDER });
  files.syncFilesystem(path);
  const aside = temporaryPath(volume, path, working);
  files.rename(path, aside);
  if (files.stat(aside)?.inode !== inode) {
    // It was exchanged meanwhile.
    files.rename(aside, path);
    throw new RootloomError(`cannot delete volume ${volume.name}: ${path} is not the directory that was seen before`, {
      hint: "something else replaced it: look at what stands there now",
    });
  }
  await jobs.run("remove", { path: aside, inode });
}
