import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Attributes, Files, MountEntry } from "../ports.ts";
import { openToRead, readAll, readerOf, setDescriptorAttributes, writeAll, writerOf } from "./content.ts";
import { attempt, attemptUnlessMissing, errorCode } from "./failure.ts";
import { filesystemIdentity } from "./identity.ts";
import { isOwnNamespace, listMounts } from "./namespace.ts";
import { openDirectory } from "./paths.ts";
import { removeTree } from "./remove-tree.ts";
import { scanTree } from "./scan.ts";
import {
  currentDirectory,
  openPath,
  renameWithoutReplacing,
  statAt,
  statDescriptor,
  syncFilesystemOf,
} from "./system-calls.ts";
import { openFileInside, openTree, setHeldAttributes, temporaryNameFor } from "./tree.ts";

export interface FilesOptions {
  /** File of the mount namespace whose mounts are the host's: /proc/1/ns/mnt, or a test's own. */
  readonly mountNamespace: string;
}

/** The file port on the real machine. Everything is synchronous; what fails is a RootloomError. */
export function createFiles(options: FilesOptions): Files {
  const { mountNamespace } = options;
  return {
    ...reading,
    ...writing,
    ...removing,
    removeTree: (path, inode) => removeHostTree(path, inode, mountNamespace),
    mounts: () => listMounts(mountNamespace),
    filesystemIdentity: (path) =>
      attempt("name the filesystem of", path, () => filesystemIdentity(path, listMounts("/proc/self/ns/mnt"))),
  };
}

type Reading = Pick<
  Files,
  | "stat"
  | "list"
  | "readText"
  | "readBytes"
  | "readLink"
  | "realPath"
  | "openReader"
  | "openTree"
  | "openTreeReader"
  | "scan"
  | "freeSpace_bytes"
>;

const reading: Reading = {
  stat: (path) => attempt("look at", path, () => statAt(currentDirectory, path, "utf8")),
  list: (path) => attemptUnlessMissing("list", path, () => readdirSync(path).sort()),
  readText: (path) => attemptUnlessMissing("read", path, () => Buffer.from(readFileAt(path)).toString("utf8")),
  readBytes: (path) => attemptUnlessMissing("read", path, () => readFileAt(path)),
  readLink: (path) => attemptUnlessMissing("read the link", path, () => readlinkSync(path)),
  realPath: (path) => attemptUnlessMissing("resolve", path, () => realpathSync.native(path)),
  openReader: (path) =>
    attemptUnlessMissing("read", path, () => readerOf(openToRead((flags) => openSync(path, flags)))),
  openTree,
  openTreeReader: (treePath, path) =>
    attemptUnlessMissing("read", join(treePath, path), () =>
      holding(openDirectory(treePath), (tree) => readerOf(openFileInside(tree, path))),
    ),
  scan: (treePath, options = {}) => scanTree(treePath, options),
  freeSpace_bytes: (path) =>
    attempt("measure the free space of", path, () => {
      const facts = statfsSync(path);
      return facts.bavail * facts.bsize;
    }),
};

type Writing = Pick<
  Files,
  | "writeFile"
  | "writeLink"
  | "makeDirectory"
  | "makeDirectories"
  | "setAttributes"
  | "openWriter"
  | "copyFile"
  | "rename"
>;

const writing: Writing = {
  writeFile: (path, content, attributes) =>
    attempt("write", path, () => {
      refuseReplacing(path, (type) => type !== "directory");
      const bytes = typeof content === "string" ? Buffer.from(content) : content;
      replaceBeside(path, (temporary) => writeNewFile(temporary, bytes, attributes));
    }),
  writeLink: (path, target) =>
    attempt("write the link", path, () => {
      refuseReplacing(path, (type) => type === "symlink");
      replaceBeside(path, (temporary) => symlinkSync(target, temporary));
    }),
  makeDirectory: (path, attributes) =>
    attempt("make the directory", path, () => {
      mkdirSync(path, 0o700);
      setAttributes(path, attributes);
      syncDirectory(dirname(path));
    }),
  makeDirectories: (path, mode = 0o755) =>
    attempt("make the directory", path, () => {
      makeMissingDirectories(path, mode);
    }),
  setAttributes: (path, attributes) => attempt("set owner and mode of", path, () => setAttributes(path, attributes)),
  openWriter: (path, mode) => attempt("write", path, () => writerOf(path, mode)),
  copyFile: (from, to) => attempt("copy", `${from} to ${to}`, () => copyBeside(from, to)),
  rename: (from, to) => attempt("rename", `${from} to ${to}`, () => renameDurably(from, to)),
};

const removing: Pick<Files, "removeFile" | "removeDirectory" | "syncDirectory" | "syncFilesystem"> = {
  removeFile: (path) =>
    attempt("remove", path, () => {
      refuseReplacing(path, (type) => type !== "directory");
      unlinkSync(path);
      syncDirectory(dirname(path));
    }),
  removeDirectory: (path) =>
    attempt("remove the directory", path, () => {
      rmdirSync(path);
      syncDirectory(dirname(path));
    }),
  syncDirectory: (path) => attempt("sync", path, () => syncDirectory(path)),
  syncFilesystem: (path) =>
    attempt("sync the filesystem of", path, () =>
      holding(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), syncFilesystemOf),
    ),
};

function removeHostTree(path: string, inode: number, mountNamespace: string): void {
  const realPath = attempt("remove the tree", path, () => join(realpathSync.native(dirname(path)), basename(path)));
  const mounts: readonly MountEntry[] = listMounts(mountNamespace);
  const own = isOwnNamespace(mountNamespace) ? [] : listMounts("/proc/self/ns/mnt");
  removeTree(realPath, inode, [...mounts, ...own]);
}

function readFileAt(path: string): Uint8Array {
  return holding(
    openToRead((flags) => openSync(path, flags)),
    readAll,
  );
}

function writeNewFile(path: string, bytes: Uint8Array, attributes: Attributes): void {
  holding(openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600), (descriptor) => {
    writeAll(descriptor, bytes);
    setDescriptorAttributes(descriptor, attributes);
    fsyncSync(descriptor);
  });
}

/** Makes something under a temporary name in the same directory, renames it into place and syncs the directory. */
function replaceBeside(path: string, make: (temporary: string) => void): void {
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

function copyBeside(from: string, to: string): "reflink" | "copy" {
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

function renameDurably(from: string, to: string): void {
  const facts = statAt(currentDirectory, from, "utf8");
  // The kernel itself refuses to put a file over a directory; only a directory could replace an empty one.
  if (facts?.type === "directory") moveToNewName(from, to);
  else renameSync(from, to);
  syncDirectory(dirname(to));
  if (dirname(from) !== dirname(to)) syncDirectory(dirname(from));
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

function refuseReplacing(path: string, allowed: (type: string) => boolean): void {
  const type = statAt(currentDirectory, path, "utf8")?.type;
  if (type === undefined || allowed(type)) return;
  throw Object.assign(new Error(`a ${type} stands there`), { code: type === "directory" ? "EISDIR" : "EEXIST" });
}

/** Of what the path names itself, never of what a symlink there leads to. */
function setAttributes(path: string, attributes: Attributes): void {
  holding(openSync(path, openPath | constants.O_NOFOLLOW), (held) => {
    if (statDescriptor(held).type === "symlink") throw Object.assign(new Error(), { code: "ELOOP" });
    setHeldAttributes(held, attributes);
  });
}

/** mkdir -p, with the exact mode whatever the umask, each new directory synced into its parent. */
function makeMissingDirectories(path: string, mode: number): void {
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

function isDirectory(path: string): boolean {
  const real = attemptUnlessMissing("resolve", path, () => realpathSync.native(path));
  return real !== undefined && statAt(currentDirectory, real, "utf8")?.type === "directory";
}

function syncDirectory(path: string): void {
  holding(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY), fsyncSync);
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if (errorCode(thrown) !== "ENOENT") throw thrown;
  }
}

/** Runs `body` with a descriptor and closes it, whatever happens. */
function holding<T>(descriptor: number, body: (descriptor: number) => T): T {
  try {
    return body(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
