import { toTreePath } from "../../core/entry.ts";
import type { Attributes, FileStat, Files, Reader } from "../ports.ts";
import { bytesContent, type Content, contentBytes, readContent } from "./content.ts";
import { attempt, attemptUnlessMissing, ErrnoError } from "./errno.ts";
import { type FileContext, isDirectory, makeDirectoryAt, replaceNode, syncParent } from "./file-context.ts";
import { deviceText } from "./file-system.ts";
import { type Inode, inodeStat } from "./inode.ts";
import { encode, type Kernel } from "./kernel.ts";
import { decode } from "./mount-table.ts";
import { removeFakeTree } from "./remove-tree.ts";
import { fakeWalks } from "./scan.ts";
import { openFakeTree } from "./tree.ts";
import { openFakeWriter } from "./writer.ts";

/** The file port over one mount namespace of the machine in memory. */
export function createFakeFiles(context: FileContext): Files {
  return { ...readingPart(context), ...writingPart(context), ...filesystemPart(context) };
}

type ReadingPart = Pick<
  Files,
  "stat" | "list" | "readText" | "readBytes" | "readLink" | "realPath" | "openReader" | "openTree" | "openTreeReader"
>;
type FilesystemPart = ReturnType<typeof fakeWalks> &
  Pick<Files, "mounts" | "mountsEverywhere" | "filesystemIdentity" | "freeSpace_bytes"> &
  Pick<Files, "syncDirectory" | "syncFilesystem">;

function readingPart(context: FileContext): ReadingPart {
  const { kernel } = context;
  return {
    stat: (path) => attemptUnlessMissing("look at", path, () => inodeStat(kernel.get(encode(path)).inode)),
    list: (path) =>
      attemptUnlessMissing("list", path, () =>
        [...kernel.directory(encode(path)).inode.entries.keys()].map(decode).sort(),
      ),
    readText: (path) => attemptUnlessMissing("read", path, () => Buffer.from(fileBytes(kernel, path)).toString("utf8")),
    readBytes: (path) => attemptUnlessMissing("read", path, () => fileBytes(kernel, path)),
    readLink: (path) =>
      attemptUnlessMissing("read the link", path, () => {
        const { inode } = kernel.get(encode(path));
        if (inode.type !== "symlink") throw new ErrnoError("EINVAL", path);
        return decode(inode.target);
      }),
    realPath: (path) =>
      attemptUnlessMissing("resolve", path, () => {
        const found = kernel.find(encode(path), true);
        if (found.at === undefined) throw new ErrnoError("ENOENT", path);
        return decode(`/${found.resolved}`);
      }),
    openReader: (path) => attemptUnlessMissing("read", path, () => openFakeReader(regularFile(kernel, path))),
    openTree: (path) => openFakeTree(context, path),
    openTreeReader: (treePath, path) =>
      attemptUnlessMissing("read", `${treePath}/${path}`, () => {
        const { inode } = kernel.below(kernel.directory(encode(treePath))).get(path);
        if (inode.type !== "file") throw new ErrnoError(isDirectory(inode) ? "EISDIR" : "ELOOP", path);
        return openFakeReader(inode);
      }),
  };
}

function writingPart(context: FileContext): Omit<Files, keyof ReadingPart | keyof FilesystemPart> {
  const { kernel, point } = context;
  return {
    writeFile: (path, content, attributes) =>
      attempt("write", path, () => {
        const node = { type: "file", content: bytesContent(content) } as const;
        replaceNode(context, encode(path), node, attributes, (inode) => !isDirectory(inode));
      }),
    writeLink: (path, target) =>
      attempt("write the link", path, () => {
        const node = { type: "symlink", target: toTreePath(target) } as const;
        const isLink = (inode: Inode): boolean => inode.type === "symlink";
        replaceNode(context, encode(path), node, { owner: 0, group: 0, mode: 0o777 }, isLink);
      }),
    makeDirectory: (path, attributes) =>
      attempt("make the directory", path, () => makeDirectoryAt(context, encode(path), attributes)),
    makeDirectories: (path, mode = 0o755) =>
      attempt("make the directory", path, () => makeDirectories(kernel, encode(path), mode)),
    setAttributes: (path, attributes: Attributes) =>
      attempt("set owner and mode of", path, () => {
        const location = kernel.get(encode(path));
        if (location.inode.type === "symlink") throw new ErrnoError("ELOOP", path);
        kernel.setAttributes(location, attributes);
      }),
    rename: (from, to) =>
      attempt("rename", `${from} to ${to}`, () => {
        const isMovedDirectory = kernel.get(encode(from)).inode.type === "directory";
        if (isMovedDirectory && kernel.look(encode(to)) !== undefined) throw new ErrnoError("EEXIST", to);
        kernel.rename(encode(from), encode(to));
        point("renamed", to);
        syncParent(kernel, encode(to));
        syncParent(kernel, encode(from));
      }),
    removeFile: (path) =>
      attempt("remove", path, () => {
        kernel.unlink(encode(path));
        point("removed", path);
        syncParent(kernel, encode(path));
      }),
    removeDirectory: (path) =>
      attempt("remove the directory", path, () => {
        kernel.removeDirectory(encode(path));
        point("removed", path);
        syncParent(kernel, encode(path));
      }),
    removeTree: (path, inode, keep) => removeFakeTree(context, path, inode, keep),
    openWriter: (path, mode) => attempt("write", path, () => openFakeWriter(context, path, mode)),
    copyFile: (from, to) => attempt("copy", `${from} to ${to}`, () => copyBeside(context, from, to)),
  };
}

function filesystemPart(context: FileContext): FilesystemPart {
  const { kernel } = context;
  const fileSystemOf = (path: string) => kernel.get(encode(path), true).inode.fileSystem;
  return {
    ...fakeWalks(kernel),
    mounts: () => kernel.table.entries(),
    mountsEverywhere: () => kernel.table.entries(),
    filesystemIdentity: (path) =>
      attempt("name the filesystem of", path, () => {
        const { uuid, device } = kernel.get(encode(path), true).inode.fileSystem;
        return uuid === undefined ? `device:${deviceText(device)}` : `uuid:${uuid}`;
      }),
    freeSpace_bytes: (path) =>
      attempt("measure the free space of", path, () => {
        const fileSystem = fileSystemOf(path);
        return Math.max(0, fileSystem.capacity_bytes - fileSystem.used_bytes);
      }),
    syncDirectory: (path) => attempt("sync", path, () => fileSystemOf(path).sync(kernel.directory(encode(path)).inode)),
    syncFilesystem: (path) => attempt("sync the filesystem of", path, () => fileSystemOf(path).syncAll()),
  };
}

function regularFile(kernel: Kernel, path: string): Inode {
  const { inode } = kernel.get(encode(path), true);
  if (isDirectory(inode)) throw new ErrnoError("EISDIR", path);
  if (inode.type !== "file") throw new ErrnoError("EINVAL", path);
  return inode;
}

function fileBytes(kernel: Kernel, path: string): Uint8Array {
  return contentBytes(regularFile(kernel, path).content);
}

function copyBeside(context: FileContext, from: string, to: string): "reflink" | "copy" {
  const { kernel } = context;
  const { content, mode, fileSystem } = regularFile(kernel, from);
  const attributes = { owner: 0, group: 0, mode };
  replaceNode(context, encode(to), { type: "file", content }, attributes, () => false);
  return fileSystem === kernel.get(encode(to)).inode.fileSystem && fileSystem.reflink ? "reflink" : "copy";
}

function makeDirectories(kernel: Kernel, path: string, mode: number): void {
  let made = "";
  for (const name of path.split("/").filter((component) => component !== "")) {
    made = `${made}/${name}`;
    const there = kernel.look(made, true);
    if (there === undefined) {
      kernel.create(made, { type: "directory", mode });
      syncParent(kernel, made);
    } else if (!isDirectory(there.inode)) throw new ErrnoError("ENOTDIR", made);
  }
}

function openFakeReader(inode: Inode): Reader {
  const content = (): Content => inode.content;
  return {
    read: (into, position) => readContent(content(), into, position),
    stat: (): FileStat => inodeStat(inode),
    close: () => undefined,
  };
}
