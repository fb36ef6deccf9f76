import type { TreePath } from "../core/entry.ts";
import {
  ARCHIVE,
  ATTRIBUTES,
  CONTENT_BYTES,
  type Common,
  DEVICE,
  FILE,
  LINK_SET,
  READ,
  TARGET,
  UNREAD,
} from "./entry-record.ts";
import type { ContentSource, PackEntry } from "./types.ts";

const CHUNK_SPAN = 2 ** 26;
const NOTHING = Buffer.alloc(0);

/** Where something stands in chunks of memory, as one number; no chunk is as long. */
export function placeOf(chunk: number, offset: number): number {
  return chunk * CHUNK_SPAN + offset;
}

/** Reads entries one after another, from the first of a page, through all chunks. */
export class RecordReader {
  readonly #chunks: readonly Buffer[];
  readonly #commons: readonly Common[];
  #chunk = 0;
  #bytes: Buffer = NOTHING;
  #at = 0;
  #path = Buffer.allocUnsafe(256);

  constructor(chunks: readonly Buffer[], commons: readonly Common[]) {
    this.#chunks = chunks;
    this.#commons = commons;
  }

  /** @param place as `placeOf` has it. */
  moveTo(place: number): void {
    this.#chunk = Math.floor(place / CHUNK_SPAN);
    this.#bytes = this.#chunks[this.#chunk] ?? NOTHING;
    this.#at = place % CHUNK_SPAN;
  }

  read(): PackEntry {
    const path = this.readPath();
    const common = this.#commons[this.#number()] as Common;
    const time = this.#number();
    const size = this.#number();
    const flags = this.#bytes[this.#at++] ?? 0;
    const content = this.#at;
    if (flags & (READ | UNREAD)) this.#at += CONTENT_BYTES;
    const { type, mode, owner, group, layer, place } = common;
    return {
      path,
      type,
      mode,
      owner,
      group,
      modified_s: time % 2 === 0 ? time / 2 : -(time + 1) / 2,
      size,
      sha256: flags & READ ? this.#bytes.toString("hex", content, content + CONTENT_BYTES) : "",
      target: flags & TARGET ? this.#text("latin1") : "",
      linkSet: flags & LINK_SET ? this.#text("latin1") : "",
      attributes: flags & ATTRIBUTES ? this.#text("latin1") : common.looked ? "" : undefined,
      major: flags & DEVICE ? this.#number() : 0,
      minor: flags & DEVICE ? this.#number() : 0,
      layer,
      place,
      source: flags & (ARCHIVE | FILE) ? this.#source(common) : common.source,
      slot: flags & UNREAD ? placeOf(this.#chunk, content) : undefined,
    };
  }

  /** The path alone, of the entry whose turn it is. */
  readPath(): TreePath {
    if (this.#at === this.#bytes.length) this.moveTo(placeOf(this.#chunk + 1, 0));
    const shared = this.#number();
    const length = this.#number();
    const end = shared + length;
    if (end > this.#path.length) this.#path = Buffer.concat([this.#path], 2 * end);
    const [path, bytes] = [this.#path, this.#bytes];
    // Byte by byte: a call for so few would take longer.
    for (let index = shared, from = this.#at; index < end; index++, from++) path[index] = bytes[from] ?? 0;
    this.#at += length;
    return path.toString("latin1", 0, end);
  }

  #source({ source }: Common): ContentSource {
    if (source?.type === "archive") return { type: "archive", path: source.path, offset: this.#number() };
    return { type: "file", path: this.#text("utf8") };
  }

  #number(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++] ?? 0;
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
      byte = bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
    }
    return value;
  }

  #text(encoding: "latin1" | "utf8"): string {
    const length = this.#number();
    const start = this.#at;
    this.#at += length;
    return this.#bytes.toString(encoding, start, this.#at);
  }
}

/** Gives content that was read its hash, where its key stood. */
export function fillSlot(chunks: readonly Buffer[], slot: number, sha256: string): void {
  const chunk = chunks[Math.floor(slot / CHUNK_SPAN)] ?? NOTHING;
  const content = slot % CHUNK_SPAN;
  chunk.write(sha256, content, "hex");
  chunk[content - 1] = ((chunk[content - 1] ?? 0) & ~UNREAD) | READ;
}

/** What stands at a slot: 32 bytes, one a character. */
export function readSlot(chunks: readonly Buffer[], slot: number): string {
  const content = slot % CHUNK_SPAN;
  return (chunks[Math.floor(slot / CHUNK_SPAN)] ?? NOTHING).toString("latin1", content, content + CONTENT_BYTES);
}
