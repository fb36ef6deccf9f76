import { type EntryType, showPath, type TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";

/** One member of a tarball. `offset` is where its content starts. */
export interface TarEntry {
  readonly path: TreePath;
  readonly type: EntryType | "hardlink";
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  readonly modified_s: number;
  readonly size: number;
  /** Target of a symlink as written; path of the first name for a hard link. */
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  readonly offset: number;
  /** Names of extended attributes, which a cpio archive loses. */
  readonly extendedAttributes: readonly string[];
}

/** Fills the buffer from a position of the tarball; returns the bytes read. */
export type ReadAt = (into: Uint8Array, position: number) => number;

const BLOCK_BYTES = 512;
/** Long names and extended headers are held in memory; more than this is no honest tarball. */
const EXTENSION_BYTES_MAX = 1 << 20;
/** PATH_MAX: nothing can be made under a longer name. */
const PATH_BYTES_MAX = 4095;
const TYPES: Readonly<Record<string, TarEntry["type"]>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};

/**
 * Reads the members of an uncompressed tarball: ustar, GNU long names and pax. Only headers are read;
 * contents are skipped. Paths are made relative to the top; the top itself is the empty path.
 * @throws RootloomError for damage, sparse files, unknown members and paths that lead out of the tree.
 */
export function* readTar(readAt: ReadAt, file: string): Generator<TarEntry> {
  const fail = (why: string, hint?: string) =>
    new RootloomError(`cannot read the tarball ${file}: ${why}`, hint === undefined ? {} : { hint });
  const block = Buffer.alloc(BLOCK_BYTES);
  let pax = new Map<string, string>();
  let extension_bytes = 0;
  const globals = new Map<string, string>();
  for (let position = 0; ; ) {
    const bytes = readAt(block, position);
    if (bytes === 0 && position > 0) throw fail("it ends without its end mark", "it was cut short: fetch it again");
    if (bytes !== BLOCK_BYTES) throw fail("it ends in the middle of a header");
    if (block.every((byte) => byte === 0)) return;
    checkSum(block, fail);
    const flag = block.toString("latin1", 156, 157);
    const offset = position + BLOCK_BYTES;
    const content_bytes = contentLength(block, flag, pax);
    // A size that is no number, or below 0, would lead nowhere, or back to where we were.
    if (!Number.isSafeInteger(content_bytes) || content_bytes < 0) throw fail("a member's size is no size");
    position = offset + Math.ceil(content_bytes / BLOCK_BYTES) * BLOCK_BYTES;
    if ("xgLK".includes(flag)) {
      extension_bytes += content_bytes;
      const extension = readExtension(readAt, offset, content_bytes, extension_bytes, fail);
      const into = flag === "g" ? globals : pax;
      if (flag === "g" || flag === "x") for (const [key, value] of parsePax(extension, fail)) into.set(key, value);
      else pax.set(flag === "L" ? "path" : "linkpath", cString(extension, 0, extension.length));
      continue;
    }
    const type = TYPES[flag];
    const values = new Map([...globals, ...pax]);
    refuseSparse(flag, values, fail);
    if (type === undefined) throw fail(`it has a member of the unknown type ${JSON.stringify(flag)}`);
    yield checkMember(parseMember(block, type, values, offset, content_bytes, fail), fail);
    pax = new Map();
    extension_bytes = 0;
  }
}

type Fail = (why: string, hint?: string) => RootloomError;

function parseMember(
  block: Buffer,
  type: TarEntry["type"],
  pax: ReadonlyMap<string, string>,
  offset: number,
  content_bytes: number,
  fail: Fail,
): TarEntry {
  const prefix = block.toString("latin1", 257, 263) === "ustar\0" ? cString(block, 345, 155) : "";
  const plain = cString(block, 0, 100);
  const written = pax.get("path") ?? (prefix === "" ? plain : `${prefix}/${plain}`);
  const link = pax.get("linkpath") ?? cString(block, 157, 100);
  const device = type === "character" || type === "block";
  const time = pax.get("mtime");
  const isDirectory = type === "directory" || (type === "file" && written.endsWith("/"));
  return {
    path: normalise(written, fail),
    type: isDirectory ? "directory" : type,
    mode: number(block, 100, 8) & 0o7777,
    owner: Number(pax.get("uid") ?? number(block, 108, 8)),
    group: Number(pax.get("gid") ?? number(block, 116, 8)),
    modified_s: time === undefined ? number(block, 136, 12) : Math.floor(Number(time)),
    size: type === "file" && !isDirectory ? content_bytes : 0,
    target: type === "hardlink" ? normalise(link, fail) : type === "symlink" ? link : "",
    major: device ? number(block, 329, 8) : 0,
    minor: device ? number(block, 337, 8) : 0,
    offset,
    extendedAttributes: [...pax.keys()].filter((key) => key.startsWith("SCHILY.xattr.")).map((key) => key.slice(13)),
  };
}

/** What no tool writes, and none could unpack. */
function checkMember(member: TarEntry, fail: Fail): TarEntry {
  const { path, type, target, owner, group, modified_s, mode, major, minor } = member;
  const name = showPath(path).slice(0, 200);
  if (path.length > PATH_BYTES_MAX || target.length > PATH_BYTES_MAX) throw fail(`the path of /${name} is too long`);
  if (path.includes("\0") || target.includes("\0")) throw fail(`the path of /${name} holds a NUL`);
  if (path === "" && type !== "directory") throw fail(`its top is a ${type}, not a directory`);
  const numbers = [owner, group, modified_s, mode, major, minor];
  if (!numbers.every(Number.isSafeInteger)) throw fail(`a number of /${name} is none`);
  return member;
}

/** Links and nodes may state a size, but no content follows them. */
function contentLength(block: Buffer, flag: string, pax: ReadonlyMap<string, string>): number {
  if ("123456".includes(flag)) return 0;
  const size = pax.get("size");
  return size === undefined || "xgLK".includes(flag) ? number(block, 124, 12) : Number(size);
}

/** `./a//b/` is `a/b`; an absolute path is taken from the top; `..` is refused. */
function normalise(path: string, fail: Fail): TreePath {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..")) throw fail(`/${showPath(path)} leads out of the tree`, "take a tarball you can trust");
  return names.join("/");
}

function refuseSparse(flag: string, pax: ReadonlyMap<string, string>, fail: Fail): void {
  if (flag !== "S" && ![...pax.keys()].some((key) => key.startsWith("GNU.sparse."))) return;
  throw fail("it holds a sparse file", "make it again without tar's --sparse");
}

/** @param sum_bytes all extensions of one member: many small ones are no better than a large one. */
function readExtension(readAt: ReadAt, offset: number, size: number, sum_bytes: number, fail: Fail): Buffer {
  if (sum_bytes > EXTENSION_BYTES_MAX) throw fail("it has an extended header of more than 1 MiB");
  const bytes = Buffer.alloc(size);
  if (readAt(bytes, offset) !== size) throw fail("it ends in the middle of an extended header");
  return bytes;
}

/** Records of `LENGTH KEY=VALUE\n`; values stay bytes. */
function parsePax(bytes: Buffer, fail: Fail): Map<string, string> {
  const values = new Map<string, string>();
  for (let position = 0; position < bytes.length; ) {
    const space = bytes.indexOf(0x20, position);
    const length = Number(bytes.toString("latin1", position, space));
    if (space < 0 || !Number.isInteger(length) || length <= space - position || position + length > bytes.length) {
      throw fail("it has a damaged extended header");
    }
    const record = bytes.toString("latin1", space + 1, position + length - 1);
    const equals = record.indexOf("=");
    if (equals < 1) throw fail("it has a damaged extended header");
    values.set(record.slice(0, equals), record.slice(equals + 1));
    position += length;
  }
  return values;
}

function checkSum(block: Buffer, fail: Fail): void {
  let sum = 8 * 0x20;
  for (let index = 0; index < BLOCK_BYTES; index++) {
    if (index < 148 || index >= 156) sum += block[index] ?? 0;
  }
  if (sum !== number(block, 148, 8)) {
    throw fail("a header's checksum is wrong", "it is damaged, or compressed in a form that is not read");
  }
}

/** Octal digits, or GNU's base 256 where the first bit is set. */
function number(block: Buffer, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if ((first & 0x80) === 0) return Number.parseInt(cString(block, offset, length).trim() || "0", 8);
  let value = first & 0x40 ? (first & 0x7f) - 0x80 : first & 0x7f;
  for (let index = 1; index < length; index++) value = value * 256 + (block[offset + index] ?? 0);
  return value;
}

function cString(bytes: Buffer, offset: number, length: number): string {
  const text = bytes.toString("latin1", offset, offset + length);
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}
