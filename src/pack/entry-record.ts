import type { EntryType, TreePath } from "../core/entry.ts";
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

const READ = 1;
const UNREAD = 2;
const TARGET = 4;
const LINK_SET = 8;
const ATTRIBUTES = 16;
const DEVICE = 32;
const ARCHIVE = 64;
const FILE = 128;

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

/** Reads entries one after another, from the first of a page. */
export class RecordReader {
  #path = Buffer.allocUnsafe(512);
  #bytes: Buffer = this.#path;
  at = 0;

  open(bytes: Buffer): void {
    this.#bytes = bytes;
    this.at = 0;
  }

  /** @param page number of the page, for the slot of content that nobody has read. */
  read(commons: readonly Common[], page: number): PackEntry {
    const path = this.#readPath();
    const common = commons[this.#number()] as Common;
    const time = this.#number();
    const size = this.#number();
    const flags = this.#bytes[this.at++] ?? 0;
    const content = this.at;
    if (flags & (READ | UNREAD)) this.at += CONTENT_BYTES;
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
      slot: flags & UNREAD ? page * PAGE_SPAN + content : undefined,
    };
  }

  #readPath(): TreePath {
    const shared = this.#number();
    const length = this.#number();
    const end = shared + length;
    if (end > this.#path.length) this.#path = Buffer.concat([this.#path], 2 * end);
    const [path, bytes] = [this.#path, this.#bytes];
    // Byte by byte: a call for so few would take longer.
    for (let index = shared, from = this.at; index < end; index++, from++) path[index] = bytes[from] ?? 0;
    this.at += length;
    return path.toString("latin1", 0, end);
  }

  #source({ source }: Common): ContentSource {
    if (source?.type === "archive") return { type: "archive", path: source.path, offset: this.#number() };
    return { type: "file", path: this.#text("utf8") };
  }

  #number(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.at++] ?? 0;
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
      byte = bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * scale;
    }
    return value;
  }

  #text(encoding: "latin1" | "utf8"): string {
    const length = this.#number();
    const start = this.at;
    this.at += length;
    return this.#bytes.toString(encoding, start, this.at);
  }
}

/** No page is as long: a slot is the number of a page and a place in it. */
const PAGE_SPAN = 2 ** 26;

/** Gives content that was read its hash, where its key stood. */
export function fillSlot(pages: readonly Buffer[], slot: number, sha256: string): void {
  const page = pages[Math.floor(slot / PAGE_SPAN)] as Buffer;
  const content = slot % PAGE_SPAN;
  page.write(sha256, content, "hex");
  page[content - 1] = ((page[content - 1] ?? 0) & ~UNREAD) | READ;
}

/** What stands at a slot: 32 bytes, one a character. */
export function readSlot(pages: readonly Buffer[], slot: number): string {
  const content = slot % PAGE_SPAN;
  return (pages[Math.floor(slot / PAGE_SPAN)] as Buffer).toString("latin1", content, content + CONTENT_BYTES);
}
