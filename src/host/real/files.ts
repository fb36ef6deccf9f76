import {
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type { TreePath } from "../../core/entry.ts";
import type { Files, MountEntry } from "../ports.ts";
import { openToRead, readAll, readerOf, writerOf } from "./content.ts";
import {
  copyBeside,
  makeMissingDirectories,
  refuseReplacing,
  renameFile,
  replaceBeside,
  setAttributes,
  syncDirectory,
  syncRename,
  writeNewFile,
} from "./durable.ts";
import { attempt, attemptUnlessMissing } from "./failure.ts";
import { treeGeneration } from "./generation.ts";
import { openFileInside } from "./held-tree.ts";
import { filesystemIdentity } from "./identity.ts";
import { lookAtTree } from "./look.ts";
import { isOwnNamespace, listMounts, listMountsOfProcesses } from "./namespace.ts";
import { holding, openDirectory } from "./paths.ts";
import { removeTree } from "./remove-tree.ts";
import { scanTree } from "./scan.ts";
import { currentDirectory, statAt, syncFilesystemOf } from "./system-calls.ts";
import { openTree } from "./tree.ts";

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
    removeTree: (path, inode, keep) => removeHostTree(path, inode, mountNamespace, keep),
    generation: (path) => attempt("sync the filesystem of", path, () => treeGeneration(path)),
    mounts: () => listMounts(mountNamespace),
    mountsEverywhere: () => [...listMounts(mountNamespace), ...listMountsOfProcesses()],
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
  | "look"
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
  look: lookAtTree,
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
  rename: (from, to, how = "synced") =>
    attempt("rename", `${from} to ${to}`, () => {
      renameFile(from, to);
      if (how === "synced") syncRename(from, to);
    }),
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

function removeHostTree(path: string, inode: number, mountNamespace: string, keep?: TreePath): void {
  const realPath = attempt("remove the tree", path, () => join(realpathSync.native(dirname(path)), basename(path)));
  const mounts: readonly MountEntry[] = listMounts(mountNamespace);
  const own = isOwnNamespace(mountNamespace) ? [] : listMounts("/proc/self/ns/mnt");
  removeTree(realPath, inode, [...mounts, ...own], keep);
}

function readFileAt(path: string): Uint8Array {
  return holding(
    openToRead((flags) => openSync(path, flags)),
    readAll,
  );
}
