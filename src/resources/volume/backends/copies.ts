import { posix } from "node:path";
import { RootloomError } from "../../../core/error.ts";
import type { Files } from "../../../host/ports.ts";
import { identityOf, OWN_FOLDER, ownership, readMarker, writeMarker } from "../../marker.ts";
import { removeDirectory } from "../../remove.ts";
import type { CloneOrigin, Looking, Snapshot, VolumeSubject, Working } from "./backend.ts";
import { isLeftReading, temporaryName } from "./temporary.ts";

/** Where the snapshots of a volume that stands at its path lie: in it, so that they share its filesystem and its end. */
export function snapshotFolder({ path }: Pick<VolumeSubject, "path">): string {
  return posix.join(path, OWN_FOLDER, "snapshots");
}

export function snapshotPath(volume: Pick<VolumeSubject, "path">, name: string): string {
  return posix.join(snapshotFolder(volume), name);
}

/** Snapshots beside which a marker of ours lies that means them, oldest first. */
export function markedSnapshots(folder: string, volume: VolumeSubject, looking: Looking): readonly Snapshot[] {
  const names = looking.host.files.list(folder) ?? [];
  const found = names.flatMap((file) => {
    const snapshot = file.endsWith(".json") ? markedSnapshot(posix.join(folder, file), volume, looking) : undefined;
    return snapshot === undefined ? [] : [snapshot];
  });
  return found.sort((left, right) => (left.createdAt + left.name < right.createdAt + right.name ? -1 : 1));
}

/** What interrupted snapshots left in the folder: only one run at a time works on a volume. */
export function leftSnapshots(folder: string, { host, instance }: Working): readonly string[] {
  const names = host.files.list(folder) ?? [];
  const start = `.rootloom-${instance.slice(0, 8)}-`;
  return names.filter((name) => name.startsWith(start)).map((name) => posix.join(folder, name));
}

/** Snapshots that killed readings left, told by the whole of their name. */
export function leftReadings(found: readonly Snapshot[], working: Working): readonly Snapshot[] {
  return found.filter(({ name }) => isLeftReading(name, working, { start: "" }));
}

/** Marks what was made, from beside it; `path` is the snapshot in its place, or still under its temporary name. */
export function markSnapshot(
  volume: VolumeSubject,
  { name, path, marker }: { readonly name: string; readonly path: string; readonly marker: string },
  { host, instance, runId }: Working,
): void {
  writeMarker(host.files, marker, {
    version: 1,
    instance,
    kind: "snapshot",
    name,
    identity: identityOf(host.files, path),
    runId,
    createdAt: new Date(host.clock.now_ms()).toISOString(),
    inputs: {},
    details: { volume: volume.name },
  });
}

export function requireSnapshot(found: readonly Snapshot[], volume: VolumeSubject, name: string): Snapshot {
  const snapshot = found.find((each) => each.name === name);
  if (snapshot !== undefined) return snapshot;
  throw new RootloomError(`cannot use snapshot ${name} of volume ${volume.name}: there is none that we made`, {
    hint: found.length === 0 ? "there are none" : `there are ${found.map((each) => each.name).join(", ")}`,
  });
}

/** Copies a volume's content, our own notes left out: owners, modes, times, attributes and hard links as they are; mounts as empty directories. */
export async function copyContent(from: string, to: string, { host, signal }: Working): Promise<void> {
  const { files } = host;
  const real = files.realPath(from) ?? from;
  const isMount = (path: string) => files.mounts().some(({ target }) => target === path);
  const names = (files.list(real) ?? []).filter((name) => name !== OWN_FOLDER);
  const copied = names.filter((name) => !isMount(posix.join(real, name)));
  // In one call, so that hard links across the top's entries stay together.
  for (let at = 0; at < copied.length; at += NAMES_A_CALL) {
    const sources = copied.slice(at, at + NAMES_A_CALL).map((name) => posix.join(real, name));
    const how = ["--archive", "--preserve=xattr", "--one-file-system", "--reflink=auto"];
    await host.processes.run({
      file: "cp",
      arguments: [...how, "--target-directory", to, "--", ...sources],
      timeout_ms: 0,
      signal,
    });
  }
  for (const name of names) if (!copied.includes(name)) emptyDirectory(files, posix.join(real, name), to, name);
  const top = files.stat(real);
  if (top !== undefined) files.setAttributes(to, top);
}

/** Removes a copy that is a snapshot: it has no name any more before anything of it goes, and what a kill leaves is swept by the next one. */
export async function removeCopy(path: string, working: Working): Promise<void> {
  const temporary = posix.join(posix.dirname(path), temporaryName({ name: posix.basename(path) }, working));
  working.host.files.rename(path, temporary);
  await removeDirectory(working.host, temporary);
}

/** Where a clone says what it is one of. */
export const CLONE_NOTE = `${OWN_FOLDER}/clone.json`;

/** Leaves the note of a clone at its top, in a folder of our own. */
export function noteClone({ note }: CloneOrigin, top: string, { host: { files } }: Working): void {
  if (note === "") return;
  const folder = posix.join(top, OWN_FOLDER);
  if (files.stat(folder) === undefined) files.makeDirectory(folder, { owner: 0, group: 0, mode: 0o700 });
  files.writeFile(posix.join(top, CLONE_NOTE), note, { owner: 0, group: 0, mode: 0o600 });
}

/** Below what an argument list may hold, names being at most 255 bytes and their folder some thousands. */
const NAMES_A_CALL = 400;

function emptyDirectory(files: Files, source: string, to: string, name: string): void {
  const { owner = 0, group = 0, mode = 0o755 } = files.stat(source) ?? {};
  files.makeDirectory(posix.join(to, name), { owner, group, mode });
}

function markedSnapshot(file: string, volume: VolumeSubject, { host, instance }: Looking): Snapshot | undefined {
  const { files } = host;
  const marker = readMarker(files, file);
  if (marker === undefined || marker === "invalid" || marker.kind !== "snapshot") return undefined;
  const path = file.slice(0, -".json".length);
  const stat = files.stat(path);
  if (stat === undefined || marker.details.volume !== volume.name || posix.basename(path) !== marker.name)
    return undefined;
  const whose = ownership(marker, instance, stat.inode, files.filesystemIdentity(path), stat.born);
  if (whose.verdict !== "ours") return undefined;
  return { name: marker.name, createdAt: marker.createdAt, identity: `${marker.identity.filesystem} ${stat.inode}` };
}
