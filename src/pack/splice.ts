import { createHash } from "node:crypto";
import { RootloomError } from "../core/error.ts";
import type { Compression } from "../core/resource.ts";
import type { Files, Writer } from "../host/ports.ts";
import { compress } from "./compress.ts";
import { fill } from "./content.ts";
import { trailer } from "./newc.ts";
import type { StoredSegment } from "./segment-cache.ts";

const CHUNK_BYTES = 1 << 20;
const buffer = Buffer.allocUnsafe(CHUNK_BYTES);

export type Spliced =
  | { readonly type: "whole"; readonly sha256: string }
  /** A stored segment that is not what was stored; what was written so far is worthless. */
  | { readonly type: "damaged"; readonly index: number };

/** Writes the stored segments one after another, and the trailer as a last small member. */
export async function splice(
  files: Files,
  writer: Writer,
  segments: readonly StoredSegment[],
  compression: Compression,
): Promise<Spliced> {
  const image = createHash("sha256");
  for (const [index, segment] of segments.entries()) {
    const part = createHash("sha256");
    for (const chunk of storedChunks(files, segment)) {
      part.update(chunk);
      image.update(chunk);
      writer.write(chunk);
    }
    if (part.digest("hex") !== segment.sha256) return { type: "damaged", index };
  }
  const end = await compress(trailer(), compression);
  image.update(end);
  writer.write(end);
  return { type: "whole", sha256: image.digest("hex") };
}

function* storedChunks(files: Files, segment: StoredSegment): Generator<Uint8Array> {
  const reader = files.openReader(segment.path);
  if (!reader) return;
  try {
    for (let position = 0; position < segment.size_bytes; ) {
      const bytes = fill(reader, buffer.subarray(0, Math.min(CHUNK_BYTES, segment.size_bytes - position)), position);
      if (bytes === 0) return;
      position += bytes;
      yield buffer.subarray(0, bytes);
    }
  } finally {
    reader.close();
  }
}

/** Hashes a file that was just written, to be sure that it reads back. */
export function checkWritten(files: Files, path: string, sha256: string): void {
  const digest = createHash("sha256");
  const reader = files.openReader(path);
  for (let position = 0; reader; ) {
    const bytes = fill(reader, buffer, position);
    if (bytes === 0) break;
    digest.update(buffer.subarray(0, bytes));
    position += bytes;
  }
  reader?.close();
  if (digest.digest("hex") === sha256) return;
  throw new RootloomError(`cannot pack: ${path} did not read back as it was written`, {
    hint: "the disk may be faulty; it is tried again",
    retry: "transient",
  });
}
