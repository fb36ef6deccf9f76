import { relative } from "node:path";
import type { TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { Problem } from "../documents/types.ts";
import type { Host, TreeHandle } from "../host/ports.ts";
import { blobId, createBlobCache, sha256 } from "./blobs.ts";
import { createTextLimits, describeFiles, isText, problemAt, readText, type TreeText } from "./texts.ts";
import type { LoadedTree, TreeContent, TreeEntry } from "./tree.ts";
import type { Snapshot, SourceOptions } from "./types.ts";

const MEBIBYTE = 1024 * 1024;
/** A trial reads files whole. A commit has no such limits. */
const FILE_LIMIT_BYTES = 256 * MEBIBYTE;
const TOTAL_LIMIT_BYTES = 2048 * MEBIBYTE;
const SHA1_LENGTH = 40;

/**
 * The files of `desired/` as they lie on disk, for trials: untracked ones too, what git ignores left out. It
 * needs no commit, and no repository either. `treeHash` is a digest of the files, `revision` is empty.
 */
export async function loadWorktree(host: Host, options: SourceOptions): Promise<Snapshot> {
  const desired = host.files.realPath(options.desired);
  if (desired === undefined || host.files.stat(desired)?.type !== "directory") {
    throw new RootloomError(`cannot load ${options.desired}: there is no such folder`, {
      hint: "--worktree reads the files of a checkout: name its folder with --desired DIR",
    });
  }
  const discovered = await host.git.discover(desired);
  const inCheckout = discovered !== undefined && !discovered.bare;
  const prefix = inCheckout ? relative(discovered.top, desired) : "";
  const paths = inCheckout ? await host.git.worktreeFiles(desired) : allFiles(host, desired);
  const blobs = createBlobCache(host, options.cache);
  const found = await readFiles(host, desired, paths, prefix, (oid, content) => {
    const { content: _, ...blob } = blobs.verified(oid) ?? { ...blobs.store(oid, content), content };
    return blob;
  });
  const described = describeFiles(found.tree, prefix, blobs);
  const listing = found.tree.entries.map((entry) => [entry.path, entry.type, entry.executable, entry.oid]);
  return {
    revision: "",
    treeHash: sha256(JSON.stringify(listing)),
    subject: "files on disk, not committed",
    author: "",
    prefix,
    ...described,
    problems: [...found.problems, ...described.problems],
  };
}

function allFiles(host: Host, desired: string): readonly TreePath[] {
  const paths: TreePath[] = [];
  for (const entry of host.files.scan(desired)) if (entry.type !== "directory") paths.push(entry.path);
  return paths.sort();
}

type Keep = (oid: string, content: Uint8Array) => Omit<TreeContent, "pointer">;

/** Reads through a handle on the folder: no symlink on the way leads out of it. */
async function readFiles(
  host: Host,
  desired: string,
  paths: readonly TreePath[],
  prefix: string,
  keep: Keep,
): Promise<{ readonly tree: LoadedTree; readonly problems: readonly Problem[] }> {
  const entries: TreeEntry[] = [];
  const refused: { path: TreePath; reason: "submodule" }[] = [];
  const contents = new Map<string, TreeContent>();
  const texts = new Map<string, TreeText>();
  const problems: Problem[] = [];
  const folders = new Map<TreePath, boolean>();
  let total = 0;
  const unreadText = createTextLimits();
  const handle = host.files.openTree(desired);
  try {
    for (const listed of paths) {
      const path = listed.replace(/\/$/, "");
      const stat = isThere(handle, path, folders) ? handle.stat(path) : undefined;
      if (stat?.type === "directory" && handle.stat(`${path}/.git`) !== undefined)
        refused.push({ path, reason: "submodule" });
      if (stat?.type === "symlink") {
        const target = handle.readLink(path);
        const oid = blobId(Buffer.from(target, "latin1"), SHA1_LENGTH);
        entries.push({ path, type: "symlink", executable: false, oid, target });
      }
      if (stat?.type !== "file") continue;
      total += stat.size;
      if (stat.size > FILE_LIMIT_BYTES || total > TOTAL_LIMIT_BYTES) {
        problems.push(tooLarge(prefix, path, stat.size > FILE_LIMIT_BYTES));
        continue;
      }
      const content = handle.read(path);
      const oid = blobId(content, SHA1_LENGTH);
      if (!isText(path)) contents.set(oid, { ...keep(oid, content), pointer: false });
      else if (!texts.has(oid)) {
        const unread = unreadText(content.length);
        texts.set(oid, unread.refused === undefined ? readText(content) : unread);
      }
      entries.push({ path, type: "file", executable: (stat.mode & 0o100) !== 0, oid, target: "" });
    }
  } finally {
    handle.close();
  }
  return { tree: { entries, refused, contents, texts }, problems };
}

/** git lists tracked paths that are gone, or that now lie behind a symlink: neither is a file of this folder. */
function isThere(handle: TreeHandle, path: TreePath, folders: Map<TreePath, boolean>): boolean {
  const parent = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
  if (parent === "") return true;
  const known = folders.get(parent) ?? (isThere(handle, parent, folders) && handle.stat(parent)?.type === "directory");
  folders.set(parent, known);
  return known;
}

function tooLarge(prefix: string, path: TreePath, alone: boolean): Problem {
  const limit_mebibytes = (alone ? FILE_LIMIT_BYTES : TOTAL_LIMIT_BYTES) / MEBIBYTE;
  const what = alone ? `larger than ${limit_mebibytes} MiB` : `beyond ${limit_mebibytes} MiB of files in all`;
  return problemAt(
    prefix,
    path,
    `too large to read from the work tree: ${what}`,
    "commit it: a commit has no such limit",
  );
}
