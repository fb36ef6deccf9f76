import { join } from "node:path";
import type { Host } from "../host/ports.ts";
import { sha256, writePrivate } from "./blobs.ts";
import type { TreeText } from "./texts.ts";
import type { LoadedTree, TreeContent } from "./tree.ts";

/** Raised when the meaning of an index changes: older ones are then made again. */
const VERSION = 2;

/** The kept index of a tree; undefined when there is none, or when it does not agree with its own digest. */
export function readIndex(host: Host, cache: string, treeHash: string): LoadedTree | undefined {
  const text = host.files.readText(indexPath(cache, treeHash));
  const parts = text === undefined ? null : /^\{"digest":"([0-9a-f]{64})","tree":(.*)\}\n$/s.exec(text);
  const [, digest, body] = parts ?? [];
  if (body === undefined || sha256(body) !== digest) return undefined;
  const stored = JSON.parse(body) as StoredTree;
  if (stored.version !== VERSION || stored.treeHash !== treeHash) return undefined;
  return {
    entries: stored.entries,
    refused: stored.refused,
    contents: new Map(stored.contents),
    texts: new Map(stored.texts),
  };
}

export function writeIndex(host: Host, cache: string, treeHash: string, tree: LoadedTree): void {
  const { entries, refused } = tree;
  const stored: StoredTree = {
    version: VERSION,
    treeHash,
    entries,
    refused,
    contents: [...tree.contents],
    texts: [...tree.texts],
  };
  const body = JSON.stringify(stored);
  writePrivate(host, cache, indexPath(cache, treeHash), `{"digest":"${sha256(body)}","tree":${body}}\n`);
}

interface StoredTree {
  readonly version: number;
  readonly treeHash: string;
  readonly entries: LoadedTree["entries"];
  readonly refused: LoadedTree["refused"];
  readonly contents: readonly (readonly [string, TreeContent])[];
  readonly texts: readonly (readonly [string, TreeText])[];
}

/** Where the index of a tree is kept. */
export function indexPath(cache: string, treeHash: string): string {
  return join(cache, "trees", `${treeHash}.json`);
}
