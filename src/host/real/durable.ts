import { constants, copyFileSync, fsyncSync, mkdirSync, openSync, realpathSync, renameSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Attributes } from "../ports.ts";
import { setHeldAttributes } from "./attributes.ts";
import { setDescriptorAttributes, writeAll } from "./content.ts";
import { attemptUnlessMissing, errorCode } from "./failure.ts";
import { holding, openDirectory, temporaryNameFor } from "./paths.ts";
import { currentDirectory, openPath, renameWithoutReplacing, statAt, statDescriptor } from "./system-calls.ts";

/** Makes something under a temporary name in the same directory, renames it into place and syncs the directory. */
export function replaceBeside(path: string, make: (temporary: string) => void): void {
  const temporary = join(dirname(path), temporaryNameFor());
  try {
    make(temporary);
    renameSync(temporary, path);
  } catch (thrown) {
    removeIfThere(temporary);
    throw thrown;
  }
  syncDirectory(dirname(path));
}

export function writeNewFile(path: string, bytes: Uint8Array, attributes: Attributes): void {
  holding(openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600), (descriptor) => {
    writeAll(descriptor, bytes);
    setDescriptorAttributes(descriptor, attributes);
    fsyncSync(descriptor);
  });
}

export function copyBeside(from: string, to: string): "reflink" | "copy" {
  const temporary = join(dirname(to), temporaryNameFor());
  try {
    const how = cloneOrCopy(from, temporary);
    holding(openSync(temporary, constants.O_RDONLY), fsyncSync);
    moveToNewName(temporary, to);
    syncDirectory(dirname(to));
    return how;
  } catch (thrown) {
    removeIfThere(temporary);
    throw thrown;
  }
}

export function renameFile(from: string, to: string): void {
  const facts = statAt(currentDirectory, from, "utf8");
  // The kernel itself refuses to put a file over a directory; only a directory could replace an empty one.
  if (facts?.type === "directory") moveToNewName(from, to);
  else renameSync(from, to);
}

/** Both directories of a rename. */
export function syncRename(from: string, to: string): void {
  syncDirectory(dirname(to));
  if (dirname(from) !== dirname(to)) syncDirectory(dirname(from));
}

export function refuseReplacing(path: string, allowed: (type: string) => boolean): void {
  const type = statAt(currentDirectory, path, "utf8")?.type;
  if (type === undefined || allowed(type)) return;
  throw Object.assign(new Error(`a ${type} stands there`), { code: type === "directory" ? "EISDIR" : "EEXIST" });
}

/** Of what the path names itself, never of what a symlink there leads to. */
export function setAttributes(path: string, attributes: Attributes): void {
  holding(openSync(path, openPath | constants.O_NOFOLLOW), (held) => {
    if (statDescriptor(held).type === "symlink") throw Object.assign(new Error(), { code: "ELOOP" });
    setHeldAttributes(held, attributes);
  });
}

/** mkdir -p, with the exact mode whatever the umask, each new directory synced into its parent. */
export function makeMissingDirectories(path: string, mode: number): void {
  const missing: string[] = [];
  for (let at = path; !isDirectory(at); at = dirname(at)) missing.unshift(at);
  for (const directory of missing) {
    try {
      mkdirSync(directory, mode);
    } catch (thrown) {
      if (errorCode(thrown) === "EEXIST" && isDirectory(directory)) continue; // another made it just now
      throw thrown;
    }
    holding(openDirectory(directory), (held) => {
      const { owner, group } = statDescriptor(held);
      setHeldAttributes(held, { owner, group, mode });
    });
    syncDirectory(dirname(directory));
  }
}

export function syncDirectory(path: string): void {
  holding(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY), fsyncSync);
}

function cloneOrCopy(from: string, to: string): "reflink" | "copy" {
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return "reflink";
  } catch (thrown) {
    if (!["ENOTSUP", "EOPNOTSUPP", "EXDEV", "ENOTTY", "EINVAL", "ENOSYS"].includes(errorCode(thrown) ?? ""))
      throw thrown;
  }
  copyFileSync(from, to, constants.COPYFILE_EXCL);
  return "copy";
}

function moveToNewName(from: string, to: string): void {
  try {
    renameWithoutReplacing(from, to);
  } catch (thrown) {
    if (errorCode(thrown) !== "EINVAL") throw thrown;
    // A filesystem that cannot promise it (some network and FUSE ones): look first.
    refuseReplacing(to, () => false);
    renameSync(from, to);
  }
}

function isDirectory(path: string): boolean {
  const real = attemptUnlessMissing("resolve", path, () => realpathSync.native(path));
  return real !== undefined && statAt(currentDirectory, real, "utf8")?.type === "directory";
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if (errorCode(thrown) !== "ENOENT") throw thrown;
  }
}
