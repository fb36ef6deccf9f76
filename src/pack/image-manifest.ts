import { createHash } from "node:crypto";
import { RootloomError } from "../core/error.ts";
import type { Files, Reader, Writer } from "../host/ports.ts";
import { writeBeside } from "./beside.ts";
import { fill } from "./content.ts";
import type { EntryList, Piece } from "./entry-list.ts";
import { type KeptManifest, keepManifest, recallManifest } from "./last-manifest.ts";
import { FIRST_LINE, formatLine, lastLine, linesOf } from "./manifest.ts";

const CHUNK_BYTES = 1 << 18;
/** To find and copy fewer lines takes longer than to write them. */
const COPIED_MIN = 32;

/**
 * Writes the manifest of an image, as `writeManifest` does. Lines of entries that the manifest `before` holds, too, are copied from
 * it, where this thread has written it; that it stands as it was written, the pass has made sure.
 * @returns sha256 of the file.
 * @throws RootloomError, transient, when the one before ends too early.
 */
export function writeImageManifest(files: Files, path: string, entries: EntryList, before: string | undefined): string {
  const known = before === undefined ? undefined : recallManifest(files, before);
  const reader = before !== undefined && known ? files.openReader(before) : undefined;
  try {
    const { sha256, offsets } = writeBeside(files, path, "unsynced", (writer) => {
      const text = new ManifestText(writer, entries);
      for (const piece of known && reader ? entries.piecesBeside(known.entries) : [wholeOf(entries)]) {
        if (known && reader && piece.at !== undefined && piece.to - piece.from >= COPIED_MIN)
          text.copy(reader, known, piece, piece.at);
        else text.format(piece);
      }
      return { sha256: text.end(), offsets: text.offsets };
    });
    keepManifest(files, path, { entries, offsets });
    return sha256;
  } finally {
    reader?.close();
  }
}

function wholeOf(entries: EntryList): Piece {
  return { from: 0, to: entries.length, at: undefined };
}

/** The text of a manifest on its way into a file. */
class ManifestText {
  readonly offsets: Uint32Array;
  readonly #writer: Writer;
  readonly #entries: EntryList;
  readonly #hash = createHash("sha256");
  #bytes = 0;

  constructor(writer: Writer, entries: EntryList) {
    this.#writer = writer;
    this.#entries = entries;
    this.offsets = new Uint32Array(entries.length + 1);
    this.#write(Buffer.from(`${FIRST_LINE}\n`, "latin1"));
  }

  format({ from, to }: Piece): void {
    let index = from;
    let offset = this.#bytes;
    const lines = linesOf(this.#entries.range(from, to), (entry) => {
      const line = formatLine(entry);
      this.offsets[index++] = offset;
      offset += line.length + 1;
      return line;
    });
    for (const text of lines) this.#write(Buffer.from(text, "latin1"));
  }

  copy(reader: Reader, { offsets }: KeptManifest, { from, to }: Piece, at: number): void {
    const [start, end] = [offsets[at] ?? 0, offsets[at + to - from] ?? 0];
    for (let index = from; index < to; index++)
      this.offsets[index] = this.#bytes + (offsets[at + index - from] ?? 0) - start;
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - start));
    for (let position = start; position < end; position += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, end - position));
      if (fill(reader, part, position) !== part.length)
        throw new RootloomError("cannot write a manifest: the one before ends too early", { retry: "transient" });
      this.#write(part);
    }
  }

  end(): string {
    this.offsets[this.#entries.length] = this.#bytes;
    this.#write(Buffer.from(`${lastLine(this.#entries.length)}\n`, "latin1"));
    return this.#hash.digest("hex");
  }

  #write(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#writer.write(bytes);
    this.#bytes += bytes.length;
  }
}
