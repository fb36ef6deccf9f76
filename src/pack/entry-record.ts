import type { EntryType } from "../core/entry.ts";
import type { ContentSource, PackEntry } from "./types.ts";

/**
 * One entry as bytes, behind the one before it:
 *
 *     shared, length, name     path: so many bytes as the one before has, then so many of its own
 *     common, modified_s, size
 *     flags                    which of the rest there are
 *     content                  32 bytes: the sha256, or, of content that nobody has read, `contentKey`
 *     target, linkSet, attributes, major and minor, offset in an archive, file of content
 *
 * Numbers have seven bits a byte, the lowest first; texts have their length before them.
 */
export const CONTENT_BYTES = 32;
/** Room for the numbers and the content of one entry. */
const FIXED_BYTES = 160;

/** Which parts an entry has. */
export const READ = 1;
export const UNREAD = 2;
export const TARGET = 4;
export const LINK_SET = 8;
export const ATTRIBUTES = 16;
export const DEVICE = 32;
export const ARCHIVE = 64;
export const FILE = 128;

/** What many entries have in common: kept once for all of them. */
export interface Common {
  readonly type: EntryType;
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  readonly layer: string;
  readonly place: number;
  /** Of a tree or an archive; that of a file stands with its entry. */
  readonly source: ContentSource | undefined;
  /** Whether somebody looked for extended attributes. */
  readonly looked: boolean;
}

/** Bytes that an entry can take at most. */
export function recordBytesMax({ path, target, linkSet, attributes = "", source }: PackEntry): number {
  const file_bytes = source?.type === "file" ? 3 * source.path.length : 0;
  return FIXED_BYTES + path.length + target.length + linkSet.length + attributes.length + file_bytes;
}

/** Writes entries into memory that has room for them. */
export class RecordWriter {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get room(): number {
    return this.#bytes.length - this.at;
  }

  get written(): Buffer {
    return this.#bytes.subarray(0, this.at);
  }

  /**
   * @param shared bytes of its path that the one before has, too.
   * @param unread `contentKey` of a file that nobody has read.
   */
  write(entry: PackEntry, shared: number, common: number, unread: string | undefined): void {
    const { path, modified_s, source, attributes = "" } = entry;
    this.#number(shared);
    this.#text(shared === 0 ? path : path.slice(shared), "latin1");
    this.#number(common);
    this.#number(modified_s < 0 ? -2 * modified_s - 1 : 2 * modified_s);
    this.#number(entry.size);
    const flags = flagsOf(entry, unread);
    this.#bytes[this.at++] = flags;
    if (flags & READ) this.#bytes.write(entry.sha256, this.at, "hex");
    else if (unread !== undefined) this.#bytes.write(unread, this.at, "latin1");
    if (flags & (READ | UNREAD)) this.at += CONTENT_BYTES;
    if (flags & TARGET) this.#text(entry.target, "latin1");
    if (flags & LINK_SET) this.#text(entry.linkSet, "latin1");
    if (flags & ATTRIBUTES) this.#text(attributes, "latin1");
    if (flags & DEVICE) {
      this.#number(entry.major);
      this.#number(entry.minor);
    }
    if (source?.type === "archive") this.#number(source.offset);
    if (source?.type === "file") this.#text(source.path, "utf8");
  }

  #number(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.at++] = rest;
  }

  #text(text: string, encoding: "latin1" | "utf8"): void {
    this.#number(encoding === "latin1" ? text.length : Buffer.byteLength(text));
    this.at += this.#bytes.write(text, this.at, encoding);
  }
}

function flagsOf(entry: PackEntry, unread: string | undefined): number {
  return (
    (unread !== undefined ? UNREAD : entry.sha256 !== "" ? READ : 0) |
    (entry.target !== "" ? TARGET : 0) |
    (entry.linkSet !== "" ? LINK_SET : 0) |
    ((entry.attributes ?? "") !== "" ? ATTRIBUTES : 0) |
    (entry.major !== 0 || entry.minor !== 0 ? DEVICE : 0) |
    (entry.source?.type === "archive" ? ARCHIVE : 0) |
    (entry.source?.type === "file" ? FILE : 0)
  );
}
