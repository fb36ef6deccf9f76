import type { TreePath } from "../core/entry.ts";
import type { GitTreeEntry, Host } from "../host/ports.ts";
import { noteUse } from "../pack/used.ts";
import type { BlobCache, CachedBlob } from "./blobs.ts";
import { createTextLimits, isLargeFilePointer, isText, readText, type TreeText } from "./texts.ts";
import { indexPath, readIndex, writeIndex } from "./tree-index.ts";

export interface TreeEntry {
  readonly path: TreePath;
  readonly type: "file" | "symlink";
  readonly executable: boolean;
  readonly oid: string;
  /** Target bytes of a symlink; empty for a file. */
  readonly target: string;
}

/** A content of the cache, as it was when it was last hashed. */
export interface TreeContent extends CachedBlob {
  /** It is a Git LFS pointer, not the file that was meant. */
  readonly pointer: boolean;
}

/** All that a load needs of one tree. */
export interface LoadedTree {
  /** Sorted by the bytes of the path. */
  readonly entries: readonly TreeEntry[];
  /** What git can hold and a folder here cannot: they become problems. */
  readonly refused: readonly { readonly path: TreePath; readonly reason: "submodule" | "name" }[];
  /** By object id: regular files that are content, each a file of the cache. */
  readonly contents: ReadonlyMap<string, TreeContent>;
  /** By object id: what is read as text. The index holds it, so that thousands of documents are one file of the cache. */
  readonly texts: ReadonlyMap<string, TreeText>;
}

export interface TreeRequest {
  readonly repository: string;
  readonly treeHash: string;
  readonly cache: string;
  readonly blobs: BlobCache;
}

const UNREAD = { size: 0, sha256: "" } as const;
/** Files hashed or written between two turns of the event loop. */
const FILES_A_TURN = 64;

/**
 * The files of a tree, with every content in the cache and proven. A tree that was loaded before comes from
 * its index, texts and all: one lstat a content, and git is not asked.
 */
export async function loadTree(host: Host, request: TreeRequest): Promise<LoadedTree> {
  const index = readIndex(host, request.cache, request.treeHash);
  const listed = index ?? (await listTree(host, request));
  const contents = new Map<string, TreeContent>();
  const missing = new Set<string>();
  for (const [oid, { text, refused }] of listed.texts)
    if (text === undefined && refused === undefined) missing.add(oid);
  let examined = 0;
  for (const [oid, known] of listed.contents) {
    const content = findContent(request.blobs, oid, known);
    if (content === undefined) missing.add(oid);
    else contents.set(oid, content);
    if (content !== known && ++examined % FILES_A_TURN === 0) await nextTurn();
  }
  if (index !== undefined && examined === 0) {
    noteUse(host.files, indexPath(request.cache, request.treeHash), host.clock.now_ms());
    return index;
  }
  const texts = await readMissing(host, request, [...missing], listed, contents);
  const tree: LoadedTree = { entries: listed.entries, refused: listed.refused, contents, texts };
  writeIndex(host, request.cache, request.treeHash, tree);
  return tree;
}

/** A tree as git lists it: of contents and texts nothing is known yet. */
async function listTree(host: Host, { repository, treeHash }: TreeRequest): Promise<LoadedTree> {
  const listed = await host.git.listTree(repository, treeHash);
  const targets = await readTargets(host, repository, listed);
  const entries: TreeEntry[] = [];
  const refused: { path: TreePath; reason: "submodule" | "name" }[] = [];
  const seen = new Set<TreePath>();
  const contents = new Map<string, TreeContent>();
  const texts = new Map<string, TreeText>();
  for (const { mode, oid, path } of listed) {
    if (mode === "160000") refused.push({ path, reason: "submodule" });
    else if (!isProperPath(path) || seen.has(path)) refused.push({ path, reason: "name" });
    else if (mode === "120000") {
      entries.push({ path, type: "symlink", executable: false, oid, target: targets.get(oid) ?? "" });
    } else if (mode.startsWith("100")) {
      entries.push({ path, type: "file", executable: mode === "100755", oid, target: "" });
      if (isText(path)) texts.set(oid, UNREAD);
      else contents.set(oid, { ...UNREAD, stamp: "", pointer: false });
    }
    seen.add(path);
  }
  entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { entries, refused, contents, texts };
}

/** Targets of the symlinks by object id, one byte a character. */
async function readTargets(
  host: Host,
  repository: string,
  listed: readonly GitTreeEntry[],
): Promise<ReadonlyMap<string, string>> {
  const targets = new Map<string, string>();
  const links = new Set(listed.filter(({ mode }) => mode === "120000").map(({ oid }) => oid));
  if (links.size === 0) return targets;
  const take = (oid: string, target: Uint8Array) => void targets.set(oid, Buffer.from(target).toString("latin1"));
  await host.git.readBlobs(repository, [...links], { take });
  return targets;
}

/** A pushed tree object may hold names that no checkout could make: they would lead out of an overlay. */
function isProperPath(path: TreePath): boolean {
  return path.split("/").every((name) => name !== "" && name !== "." && name !== "..");
}

/** `known` itself while nothing touched the cached file; a fresh description where it was hashed again. */
function findContent(blobs: BlobCache, oid: string, known: TreeContent): TreeContent | undefined {
  if (known.stamp !== "") {
    const found = blobs.known(oid, known);
    return found === known ? known : found && { ...found, pointer: known.pointer };
  }
  const found = blobs.verified(oid);
  if (found === undefined) return undefined;
  const { content, ...blob } = found;
  return { ...blob, pointer: isLargeFilePointer(content) };
}

/** Reads what is not known yet, one object after the other: contents into the cache and `contents`; the texts are returned. */
async function readMissing(
  host: Host,
  { repository, blobs }: TreeRequest,
  missing: readonly string[],
  listed: LoadedTree,
  contents: Map<string, TreeContent>,
): Promise<ReadonlyMap<string, TreeText>> {
  const texts = new Map(listed.texts);
  if (missing.length === 0) return texts;
  const limited = createTextLimits();
  let stored = 0;
  await host.git.readBlobs(repository, missing, {
    wants(oid, size_bytes) {
      if (!texts.has(oid)) return true;
      const unread = limited(size_bytes);
      texts.set(oid, unread);
      return unread.refused === undefined || listed.contents.has(oid);
    },
    async take(oid, content) {
      if (texts.get(oid)?.refused === undefined && texts.has(oid)) texts.set(oid, readText(content));
      if (!listed.contents.has(oid)) return;
      contents.set(oid, { ...blobs.store(oid, content), pointer: isLargeFilePointer(content) });
      if (++stored % FILES_A_TURN === 0) await nextTurn();
    },
  });
  return texts;
}

/** Lets signals and watchdog pings through: the file port is synchronous. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
