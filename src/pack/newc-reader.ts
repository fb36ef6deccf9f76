import { align4, HEADER_BYTES, NAME_BYTES_MAX, TRAILER } from "./newc.ts";

/** A header as it stands in an archive. */
export interface ArchivedEntry {
  readonly name: string;
  readonly inode: number;
  /** Type and permission bits. */
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  readonly links: number;
  readonly modified_s: number;
  readonly size: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly major: number;
  readonly minor: number;
  /** Checksum of the content in a form that we do not write: 0 here. */
  readonly check: number;
}

export interface ArchiveHandler {
  readonly entry: (entry: ArchivedEntry) => void;
  /** Part of the content of the entry last told; valid until it returns. */
  readonly content: (bytes: Uint8Array) => void;
}

/**
 * Reads a newc archive that comes in pieces. It shares nothing with the writer but the format: what
 * one writes wrong, the other does not hide.
 */
export class NewcReader {
  readonly #handler: ArchiveHandler;
  #pending = Buffer.alloc(0);
  #content_bytes = 0;
  #padding_bytes = 0;
  #ended = false;
  #problem: string | undefined;

  constructor(handler: ArchiveHandler) {
    this.#handler = handler;
  }

  /** Takes the next bytes of the archive. */
  push(chunk: Uint8Array): void {
    if (this.#problem !== undefined) return;
    let rest: Buffer = this.#pending.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const used = this.#step(rest);
      if (used === 0) break;
      rest = rest.subarray(used);
    }
    this.#pending = Buffer.from(rest);
  }

  /** What is wrong with the archive as a whole, once all of it was pushed; undefined when it is sound. */
  finish(): string | undefined {
    if (this.#problem !== undefined) return this.#problem;
    if (!this.#ended) return "it ends without a trailer";
    return this.#pending.length > 0 ? "something stands behind its trailer" : undefined;
  }

  /** As `finish`, for whole entries without a trailer. */
  finishSegment(): string | undefined {
    if (this.#problem !== undefined) return this.#problem;
    if (this.#ended) return "a trailer stands in the middle of it";
    const whole = this.#pending.length === 0 && this.#content_bytes === 0 && this.#padding_bytes === 0;
    return whole ? undefined : "it ends in the middle of an entry";
  }

  /** Bytes used; 0 when more are needed. */
  #step(bytes: Buffer): number {
    if (this.#problem !== undefined || bytes.length === 0) return 0;
    if (this.#content_bytes > 0) {
      const part = bytes.subarray(0, Math.min(bytes.length, this.#content_bytes));
      this.#content_bytes -= part.length;
      this.#handler.content(part);
      return part.length;
    }
    if (this.#padding_bytes > 0) {
      const length = Math.min(bytes.length, this.#padding_bytes);
      this.#padding_bytes -= length;
      if (bytes.subarray(0, length).some((byte) => byte !== 0)) this.#problem = "its padding is not zero";
      return length;
    }
    return this.#ended ? this.#afterTrailer(bytes) : this.#header(bytes);
  }

  #afterTrailer(bytes: Buffer): number {
    return bytes.every((byte) => byte === 0) ? bytes.length : 0;
  }

  #header(bytes: Buffer): number {
    if (bytes.length < HEADER_BYTES) return 0;
    const text = bytes.toString("latin1", 0, HEADER_BYTES);
    if (!/^070701[0-9a-fA-F]{104}$/.test(text)) return this.#fail("a header is damaged");
    const field = (index: number) => Number.parseInt(text.slice(6 + index * 8, 14 + index * 8), 16);
    const name_bytes = field(11);
    if (name_bytes < 2 || name_bytes > NAME_BYTES_MAX + 1) return this.#fail("a name is empty or too long");
    const length = align4(HEADER_BYTES + name_bytes);
    if (bytes.length < length) return 0;
    const name = bytes.toString("latin1", HEADER_BYTES, HEADER_BYTES + name_bytes - 1);
    if (bytes.subarray(HEADER_BYTES + name_bytes - 1, length).some((byte) => byte !== 0)) {
      return this.#fail("a name does not end where its header says");
    }
    const size = field(6);
    this.#content_bytes = size;
    this.#padding_bytes = (4 - (size % 4)) % 4;
    this.#ended = name === TRAILER;
    if (this.#ended && size > 0) return this.#fail("its trailer has a content");
    if (!this.#ended) this.#handler.entry(readFields(name, field));
    return length;
  }

  #fail(problem: string): number {
    this.#problem = problem;
    return 0;
  }
}

function readFields(name: string, field: (index: number) => number): ArchivedEntry {
  return {
    name,
    inode: field(0),
    mode: field(1),
    owner: field(2),
    group: field(3),
    links: field(4),
    modified_s: field(5),
    size: field(6),
    deviceMajor: field(7),
    deviceMinor: field(8),
    major: field(9),
    minor: field(10),
    check: field(12),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
