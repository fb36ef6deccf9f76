import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { RootloomError } from "../core/error.ts";
import type { Host } from "../host/ports.ts";

/** What is known of a cached content: while the stamp of its file is the same, so are the others. */
export interface CachedBlob {
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
  /** `FileStat.stamp` when the content was last hashed. */
  readonly stamp: string;
}

/** Contents of files by git object id: `CACHE/blobs/ab/OID`, mode 0600. */
export interface BlobCache {
  path(oid: string): string;
  /** The cached copy, when it is what was known of it; it is hashed again only where its stamp moved. */
  known(oid: string, expected: CachedBlob): CachedBlob | undefined;
  /** The cached copy, hashed whole; undefined when there is none or its content is not that of the object. */
  verified(oid: string): (CachedBlob & { readonly content: Uint8Array }) | undefined;
  /** Writes beside and renames; a damaged copy is replaced. */
  store(oid: string, content: Uint8Array): CachedBlob;
}

export function createBlobCache(host: Host, cache: string): BlobCache {
  const { files } = host;
  const path = (oid: string): string => join(cache, "blobs", oid.slice(0, 2), oid);
  const read = (oid: string, size?: number): (CachedBlob & { readonly content: Uint8Array }) | undefined => {
    const stat = files.stat(path(oid));
    if (stat?.type !== "file" || (size !== undefined && stat.size !== size)) return undefined;
    const content = files.readBytes(path(oid));
    if (content === undefined) return undefined;
    return { size: content.length, sha256: sha256(content), stamp: stat.stamp, content };
  };
  return {
    path,
    known: (oid, expected) => {
      if (files.stat(path(oid))?.stamp === expected.stamp) return expected;
      const found = read(oid, expected.size);
      if (found === undefined || found.sha256 !== expected.sha256) return undefined;
      return { size: found.size, sha256: found.sha256, stamp: found.stamp };
    },
    verified: (oid) => {
      const found = read(oid);
      return found !== undefined && blobId(found.content, oid.length) === oid ? found : undefined;
    },
    store: (oid, content) => {
      if (blobId(content, oid.length) !== oid) {
        throw new RootloomError(`cannot read file ${oid}: its content does not have that hash`, {
          hint: "the repository is damaged: run git fsck in it",
        });
      }
      writePrivate(host, cache, path(oid), content);
      return { size: content.length, sha256: sha256(content), stamp: files.stat(path(oid))?.stamp ?? "" };
    },
  };
}

/** Writes a file of the cache, 0600 and ours; its folders are 0700. */
export function writePrivate(host: Host, cache: string, path: string, content: string | Uint8Array): void {
  const { files } = host;
  files.makeDirectories(dirname(path), 0o700);
  const top = files.stat(cache);
  files.writeFile(path, content, { owner: host.processes.userId, group: top?.group ?? 0, mode: 0o600 });
}

/** Keeps what was put together of texts of the tree, in `CACHE/merged/SHA256`. */
export function keepMerged(
  host: Host,
  cache: string,
  bytes: Uint8Array,
): { readonly sha256: string; readonly size: number; readonly content: string } {
  const digest = sha256(bytes);
  const content = join(cache, "merged", digest);
  if (host.files.stat(content)?.size !== bytes.length) writePrivate(host, cache, content, bytes);
  return { sha256: digest, size: bytes.length, content };
}

/** git's id of a content; `length` tells a SHA-1 repository (40) from a SHA-256 one (64). */
export function blobId(content: Uint8Array, length: number): string {
  return createHash(length === 64 ? "sha256" : "sha1")
    .update(`blob ${content.length}\0`)
    .update(content)
    .digest("hex");
}

export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
