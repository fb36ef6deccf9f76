import { createHash, hash } from "node:crypto";
import { showPath, type TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { FileStat, Files, Reader } from "../host/ports.ts";
import type { ContentSource, PackEntry } from "./types.ts";

const ATTEMPTS = 3;
const CHUNK_BYTES = 1 << 20;
const chunk = Buffer.allocUnsafe(CHUNK_BYTES);

export interface HashedContent {
  readonly sha256: string;
  /** As it was both before and after the content was read. */
  readonly stat: FileStat;
}

/**
 * Hashes a file, again when it changes meanwhile.
 * @throws RootloomError, transient, when it changed three times or went away.
 */
export function hashContent(open: () => Reader | undefined, path: TreePath): HashedContent {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const reader = open();
    if (!reader) break;
    try {
      const before = reader.stat();
      const sha256 = hashReader(reader, before.size);
      if (sha256 !== undefined && reader.stat().stamp === before.stamp) return { sha256, stat: before };
    } finally {
      reader.close();
    }
  }
  throw changedWhileRead(path);
}

/** Undefined when the file is not `size` bytes long. */
function hashReader(reader: Reader, size: number): string | undefined {
  if (size < CHUNK_BYTES) {
    const bytes = fill(reader, chunk, 0);
    return bytes === size ? hash("sha256", chunk.subarray(0, bytes)) : undefined;
  }
  const digest = createHash("sha256");
  let position = 0;
  for (;;) {
    const bytes = fill(reader, chunk, position);
    if (bytes === 0) break;
    digest.update(chunk.subarray(0, bytes));
    position += bytes;
  }
  return position === size ? digest.digest("hex") : undefined;
}

/** Reads until the buffer is full or the file ends; returns the bytes read. */
export function fill(reader: Reader, into: Uint8Array, position: number): number {
  let done = 0;
  while (done < into.length) {
    const bytes = reader.read(into.subarray(done), position + done);
    if (bytes === 0) break;
    done += bytes;
  }
  return done;
}

/** How content is read: `checked` compares it with its hash at once, `fast` leaves that to who uses it. */
export type Reading = "checked" | "fast";

/**
 * Reads the whole content of an entry into `into`, which has its size.
 * @throws RootloomError, transient, when it is not (any more) what the manifest says.
 */
export function readContent(files: Files, entry: PackEntry, into: Uint8Array, reading: Reading): void {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const opened = openContent(files, entry);
    if (!opened) break;
    try {
      const whole = fill(opened.reader, into, opened.offset) === into.length && hasNotGrown(opened.reader, entry);
      if (whole && (reading === "fast" || hash("sha256", into) === entry.sha256)) return;
    } finally {
      opened.reader.close();
    }
  }
  throw changedWhileRead(entry.path);
}

/** The content of an entry in chunks of 1 MiB (each is overwritten by the next); checked by its hash at its end. */
export function* streamContent(files: Files, entry: PackEntry): Generator<Uint8Array> {
  const opened = openContent(files, entry);
  if (!opened) throw changedWhileRead(entry.path);
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  const digest = createHash("sha256");
  try {
    for (let position = 0; position < entry.size; ) {
      const part = buffer.subarray(0, Math.min(CHUNK_BYTES, entry.size - position));
      if (fill(opened.reader, part, opened.offset + position) !== part.length) throw changedWhileRead(entry.path);
      digest.update(part);
      position += part.length;
      yield part;
    }
    if (!hasNotGrown(opened.reader, entry)) throw changedWhileRead(entry.path);
  } finally {
    opened.reader.close();
  }
  if (digest.digest("hex") !== entry.sha256) throw changedWhileRead(entry.path);
}

function hasNotGrown(reader: Reader, entry: PackEntry): boolean {
  return entry.source?.type === "archive" || reader.stat().size === entry.size;
}

function openContent(files: Files, entry: PackEntry): { readonly reader: Reader; readonly offset: number } | undefined {
  const source: ContentSource | undefined = entry.source;
  if (!source) throw new RootloomError(`cannot read /${showPath(entry.path)}: nothing says where its content is`);
  const reader = source.type === "tree" ? files.openTreeReader(source.path, entry.path) : files.openReader(source.path);
  return reader && { reader, offset: source.type === "archive" ? source.offset : 0 };
}

/** Of the error for what is not as it was when it was listed or found: all may be well where it is looked at again. */
export const CHANGED = "ContentChanged";

export function changedWhileRead(path: TreePath): RootloomError {
  return new RootloomError(`cannot read /${showPath(path)}: it changed while it was read, or went away`, {
    retry: "transient",
    condition: CHANGED,
    hint: "it is tried again; stop what writes to it, or leave the path out of the image by spec.exclude",
  });
}
