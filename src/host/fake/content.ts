import { createHash } from "node:crypto";
import type { FileSystem } from "./file-system.ts";

/**
 * Content of a regular file. Never changed in place: a write makes a new one, so that a crash can
 * choose between the old and the new. `synthetic` stands for large files without their memory.
 */
export type Content =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "synthetic"; readonly size: number; readonly seed: number }
  | { readonly kind: "device"; readonly size: number; readonly format: Format | undefined };

/** The filesystem in a sparse image file. What is in it has a durability of its own. */
export interface Format {
  readonly fileSystem: FileSystem;
  label: string;
  /** Smaller than the image after that was made larger. */
  size: number;
}

export const EMPTY: Content = { kind: "bytes", bytes: new Uint8Array(0) };

export function bytesContent(content: string | Uint8Array): Content {
  return { kind: "bytes", bytes: typeof content === "string" ? Buffer.from(content) : Uint8Array.from(content) };
}

export function contentSize(content: Content): number {
  return content.kind === "bytes" ? content.bytes.length : content.size;
}

/** Room that it takes: an image is sparse, and what is written into it is not counted. */
export function contentUse(content: Content): number {
  return content.kind === "device" ? 0 : contentSize(content);
}

/** Fills `into` from `position`; returns how many bytes, 0 at the end. */
export function readContent(content: Content, into: Uint8Array, position: number): number {
  const count = Math.max(0, Math.min(into.length, contentSize(content) - position));
  if (content.kind === "bytes") {
    into.set(content.bytes.subarray(position, position + count));
    return count;
  }
  if (content.kind === "device") {
    into.fill(0, 0, count);
    return count;
  }
  for (let index = 0; index < count; index += 1) {
    into[index] = Math.imul(position + index + 1, content.seed | 1) >>> 24;
  }
  return count;
}

export function contentBytes(content: Content): Uint8Array {
  const bytes = new Uint8Array(contentSize(content));
  readContent(content, bytes, 0);
  return bytes;
}

/** The first `size` bytes, which is what a power loss may leave of a write. */
export function cutContent(content: Content, size: number): Content {
  if (content.kind === "bytes") return { kind: "bytes", bytes: content.bytes.slice(0, size) };
  // Half a filesystem is none.
  if (content.kind === "device") return { ...content, format: undefined };
  return { ...content, size: Math.min(size, content.size) };
}

const digests = new WeakMap<Content, string>();

export function contentDigest(content: Content): string {
  const known = digests.get(content);
  if (known !== undefined) return known;
  const digest = createHash("sha256").update(contentBytes(content)).digest("hex");
  digests.set(content, digest);
  return digest;
}

/** The first bytes, as one piece. */
export function startOf(content: Content, length_bytes: number): Uint8Array {
  const bytes = new Uint8Array(length_bytes);
  readContent(content, bytes, 0);
  return bytes;
}
