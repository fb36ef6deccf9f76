import { createHash } from "node:crypto";
import { posix } from "node:path";
import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { FileStat, Files, TreeHandle } from "../../host/ports.ts";
import { type LaidPlace, type Original, originalName } from "./laid.ts";

const CHUNK_BYTES = 1024 * 1024;

/**
 * Keeps a copy of what stands at a path before we lay over it. Until the laid list names it the live
 * one is still the original, so that an older copy of an interrupted run is simply made anew.
 */
export function keepOriginal(files: Files, tree: TreeHandle, place: LaidPlace, at: TreePath): Original {
  const standing = tree.stat(at);
  if (standing === undefined)
    throw new RootloomError(`cannot keep ${showPath(at)}: it is gone`, { retry: "transient" });
  const target = standing.type === "symlink" ? tree.readLink(at) : "";
  if (standing.type !== "file") return originalOf(standing, target, "");
  const file = originalName(place, at);
  const path = `${place.volumePath}/.rootloom/${file}`;
  files.makeDirectories(posix.dirname(path), 0o700);
  if (files.stat(temporaryOf(path)) !== undefined) files.removeFile(temporaryOf(path));
  copyOut(files, place.treePath, at, temporaryOf(path));
  files.rename(temporaryOf(path), path);
  return originalOf(standing, target, file);
}

/** Moves what stands at a path out of the tree, whole, in one rename. Refused when a mount lies inside. */
export function moveOut(files: Files, tree: TreeHandle, place: LaidPlace, at: TreePath, unique: string): Original {
  const standing = tree.stat(at);
  if (standing === undefined)
    throw new RootloomError(`cannot delete ${showPath(at)}: it is gone`, { retry: "transient" });
  const target = standing.type === "symlink" ? tree.readLink(at) : "";
  const from = hostPath(place, at);
  const mounted = files.mounts().find((mount) => mount.target === from || mount.target.startsWith(`${from}/`));
  if (mounted !== undefined) {
    throw new RootloomError(`cannot delete ${from}: ${mounted.target} is mounted in it`, {
      hint: "unmount it, or take the path out of the overlay's `delete`",
      retry: "waiting",
      condition: "Mounted",
    });
  }
  const name = originalName(place, at);
  const free = files.stat(`${place.volumePath}/.rootloom/${name}`) === undefined ? name : `${name}.${unique}`;
  const path = `${place.volumePath}/.rootloom/${free}`;
  files.makeDirectories(posix.dirname(path), 0o700);
  files.rename(from, path);
  return originalOf(standing, target, free);
}

/** Puts an original back where nothing of ours stands any more. */
export function restoreOriginal(
  files: Files,
  tree: TreeHandle,
  place: LaidPlace,
  at: TreePath,
  original: Original,
): void {
  const { type, owner, group, mode, modified_s, major, minor } = original;
  const attributes = { owner, group, mode, modified_s };
  const kept = `${place.volumePath}/.rootloom/${original.file}`;
  if (type === "directory" && original.file === "") {
    tree.setAttributes(at, attributes);
    return;
  }
  if (type === "directory") {
    files.rename(kept, hostPath(place, at));
    return;
  }
  if (type === "symlink") tree.writeLink(at, original.target, attributes);
  else if (type === "file") tree.writeFile(at, { file: kept }, attributes);
  else tree.makeNode(at, { type, major, minor }, attributes);
  if (original.file !== "") files.removeFile(kept);
}

/** True when a kept copy is where the list says. */
export function isKept(files: Files, place: LaidPlace, original: Original): boolean {
  return original.file === "" || files.stat(`${place.volumePath}/.rootloom/${original.file}`) !== undefined;
}

/** Bytes of a cached overlay file, checked: a damaged cache must not reach a root. */
export function checkedContent(files: Files, path: TreePath, content: string, sha256: string): Uint8Array {
  const bytes = files.readBytes(content);
  if (bytes !== undefined && createHash("sha256").update(bytes).digest("hex") === sha256) return bytes;
  const why = bytes === undefined ? "its cached content is gone" : "its cached content is damaged";
  throw new RootloomError(`cannot lay ${showPath(path)}: ${why}`, {
    hint: "it is read from git again in the next pass",
    retry: "transient",
  });
}

function originalOf(standing: FileStat, target: string, file: string): Original {
  const { type, mode, owner, group, modified_s, major, minor } = standing;
  return { file, type, mode, owner, group, modified_s, target, major, minor };
}

function temporaryOf(path: string): string {
  return `${path}.new`;
}

/** Host calls take UTF-8 names; a name that is none cannot be moved by them. */
function hostPath(place: LaidPlace, at: TreePath): string {
  try {
    const bytes = Uint8Array.from(at, (character) => character.charCodeAt(0));
    return `${place.treePath}/${new TextDecoder("utf-8", { fatal: true }).decode(bytes)}`;
  } catch (cause) {
    throw new RootloomError(`cannot delete ${showPath(at)}: its name is not UTF-8`, {
      hint: "delete it by hand",
      cause,
    });
  }
}

function copyOut(files: Files, treePath: string, at: TreePath, to: string): void {
  const reader = files.openTreeReader(treePath, at);
  if (reader === undefined) throw new RootloomError(`cannot keep ${showPath(at)}: it is gone`, { retry: "transient" });
  const writer = files.openWriter(to, 0o600);
  try {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let read = reader.read(chunk, 0), position = 0; read > 0; read = reader.read(chunk, position)) {
      writer.write(chunk.subarray(0, read));
      position += read;
    }
    writer.sync();
  } finally {
    writer.close();
    reader.close();
  }
}
