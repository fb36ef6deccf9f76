import type { TreePath } from "../core/entry.ts";
import type { Host } from "../host/ports.ts";
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

/** Contents that one git process hands over: what is held in memory at once. */
const BATCH_BYTES = 64 * 1024 * 1024;
/** Files hashed or written between two turns of the event loop. */
const FILES_A_TURN = 64;

/**
 * The files of a tree, with every content in the cache and proven. A tree that was loaded before comes from
 * its index, texts and all: one lstat a content, and no git process.
 */
export async function loadTree(host: Host, request: TreeRequest): Promise<LoadedTree> {
  const index = readIndex(host, request.cache, request.treeHash);
  const listed = index ?? (await listTree(host, request));
  const contents = new Map<string, TreeContent>();
  const texts = new Map(listed.texts);
  const missing = new Map<string, number>();
  for (const [oid, { size, text, refused }] of texts)
    if (text === undefined && refused === undefined) missing.set(oid, size);
  let examined = 0;
  for (const [oid, known] of listed.contents) {
    const content = findContent(request.blobs, oid, known);
    if (content === undefined) missing.set(oid, known.size);
    else contents.set(oid, content);
    if (content !== known && ++examined % FILES_A_TURN === 0) await nextTurn();
  }
  if (index !== undefined && examined === 0) {
    noteUse(host.files, indexPath(request.cache, request.treeHash), host.clock.now_ms());
    return index;
  }
  for (const batch of batches(missing)) await readContents(host, request, batch, listed, { contents, texts });
  const tree: LoadedTree = { entries: listed.entries, refused: listed.refused, contents, texts };
  writeIndex(host, request.cache, request.treeHash, tree);
  return tree;
}

/** A tree as git lists it: of contents and texts only the size is known yet. */
async function listTree(host: Host, { repository, treeHash }: TreeRequest): Promise<LoadedTree> {
  const listed = await host.git.listTree(repository, treeHash);
  const links = listed.filter((entry) => entry.mode === "120000").map((entry) => entry.oid);
  const targets = links.length === 0 ? new Map() : await host.git.readBlobs(repository, [...new Set(links)]);
  const entries: TreeEntry[] = [];
  const refused: { path: TreePath; reason: "submodule" | "name" }[] = [];
  const seen = new Set<TreePath>();
  const contents = new Map<string, TreeContent>();
  const texts = new Map<string, TreeText>();
  const unreadText = createTextLimits();
  for (const { mode, oid, path, size } of listed) {
    if (mode === "160000") refused.push({ path, reason: "submodule" });
    else if (!isProperPath(path) || seen.has(path)) refused.push({ path, reason: "name" });
    else if (mode === "120000") {
      const target = Buffer.from(targets.get(oid) ?? []).toString("latin1");
      entries.push({ path, type: "symlink", executable: false, oid, target });
    } else if (mode.startsWith("100")) {
      entries.push({ path, type: "file", executable: mode === "100755", oid, target: "" });
      if (!isText(path)) contents.set(oid, { size, sha256: "", stamp: "", pointer: false });
      else if (!texts.has(oid)) texts.set(oid, unreadText(size));
    }
    seen.add(path);
  }
  entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { entries, refused, contents, texts };
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
  const found = blobs.verified(oid, known.size);
  if (found === undefined) return undefined;
  const { content, ...blob } = found;
  return { ...blob, pointer: isLargeFilePointer(content) };
}

async function readContents(
  host: Host,
  { repository, blobs }: TreeRequest,
  oids: readonly string[],
  listed: LoadedTree,
  into: { readonly contents: Map<string, TreeContent>; readonly texts: Map<string, TreeText> },
): Promise<void> {
  let stored = 0;
  for (const [oid, content] of await host.git.readBlobs(repository, oids)) {
    if (listed.texts.has(oid)) into.texts.set(oid, readText(content));
    if (!listed.contents.has(oid)) continue;
    into.contents.set(oid, { ...blobs.store(oid, content), pointer: isLargeFilePointer(content) });
    if (++stored % FILES_A_TURN === 0) await nextTurn();
  }
}

function* batches(missing: ReadonlyMap<string, number>): Generator<readonly string[]> {
  let batch: string[] = [];
  let bytes = 0;
  for (const [oid, size] of missing) {
    if (batch.length > 0 && bytes + size > BATCH_BYTES) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(oid);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** Lets signals and watchdog pings through: the file port is synchronous. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
