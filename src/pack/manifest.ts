import { createHash, type Hash } from "node:crypto";
import type { Entry, EntryType, TreePath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { Files, Reader, Writer } from "../host/ports.ts";
import { writeBeside } from "./beside.ts";
import type { ManifestEntry } from "./types.ts";

/**
 * A manifest file: one line an entry, tab-separated, sorted by `comparePaths`, one byte a character.
 * Control characters and backslashes are `\xNN`; `-` stands for nothing and `.` for the top of the tree.
 * The first line names the fields, the last one counts the entries, so that a cut file is noticed.
 */
export const FIRST_LINE =
  "# rootloom manifest 1: path type mode owner group modified_s size sha256 device target link-set layer";
/** The record of a tree has one field more: the extended attributes, `name=DIGEST`. */
const FIRST_LINE_OF_RECORD = `${FIRST_LINE.replace("manifest 1", "manifest 2")} attributes`;
const CHUNK_BYTES = 1 << 18;
/** Lines are handed on together, but so few that their texts are garbage while they are young. */
const LINES_LENGTH = 1 << 14;
/** Far above two paths of PATH_MAX, each byte escaped. */
const LINE_BYTES_MAX = 1 << 20;

const TYPES: readonly EntryType[] = ["file", "directory", "symlink", "character", "block", "fifo", "socket"];
const ESCAPED = /[\u0000-\u001f\u007f\\]/;

/** The line without its layer: all that decides an entry's bytes in an archive. */
export function formatEntry(entry: Entry): string {
  const device = entry.type === "character" || entry.type === "block" ? `${entry.major},${entry.minor}` : "-";
  const path = entry.path === "" ? "." : escapeText(entry.path);
  return `${path}\t${entry.type}\t${entry.mode.toString(8)}\t${entry.owner}\t${entry.group}\t${entry.modified_s}\t${entry.size}\t${entry.sha256 || "-"}\t${device}\t${escapeText(entry.target)}\t${escapeText(entry.linkSet)}`;
}

/** The line of an image's manifest. */
export function formatLine(entry: ManifestEntry): string {
  return `${formatEntry(entry)}\t${escapeText(entry.layer)}`;
}

export function lastLine(count: number): string {
  return `# end: ${count} entries`;
}

/** The lines of entries or the like, some at a time, each with its end. */
export function* linesOf<T>(items: Iterable<T>, format: (item: T) => string): Generator<string> {
  let lines = "";
  for (const item of items) {
    lines += `${format(item)}\n`;
    if (lines.length < LINES_LENGTH) continue;
    yield lines;
    lines = "";
  }
  yield lines;
}

export interface WrittenManifest {
  readonly sha256: string;
  readonly entries: number;
  /** Of all contents and link targets; each name of a hard link set counts. */
  readonly size_bytes: number;
}

/** Writes a manifest at a path of its own: beside first, synced, then renamed. */
export function writeManifest(
  files: Files,
  path: string,
  entries: Iterable<ManifestEntry>,
  kind: "image" | "record" = "image",
): WrittenManifest {
  return writeBeside(files, path, "synced", (writer) => writeLines(writer, entries, kind));
}

function writeLines(writer: Writer, entries: Iterable<ManifestEntry>, kind: "image" | "record"): WrittenManifest {
  const hash: Hash = createHash("sha256");
  let count = 0;
  let size_bytes = 0;
  const write = (text: string) => {
    const bytes = Buffer.from(text, "latin1");
    hash.update(bytes);
    writer.write(bytes);
  };
  const format = (entry: ManifestEntry) => {
    const attributes = kind === "record" ? `\t${escapeText(entry.attributes ?? "")}` : "";
    count++;
    size_bytes += entry.size;
    return `${formatLine(entry)}${attributes}`;
  };
  write(`${kind === "record" ? FIRST_LINE_OF_RECORD : FIRST_LINE}\n`);
  for (const lines of linesOf(entries, format)) write(lines);
  write(`${lastLine(count)}\n`);
  return { sha256: hash.digest("hex"), entries: count, size_bytes };
}

/**
 * Reads a manifest file entry by entry.
 * @throws RootloomError when it is missing, of another format, damaged or cut short.
 */
export function* readManifest(files: Files, path: string): Generator<ManifestEntry> {
  const reader = files.openReader(path);
  if (!reader) throw unreadable(path, "it does not exist");
  try {
    yield* parseLines(readLines(reader), path);
  } finally {
    reader.close();
  }
}

function* parseLines(lines: Iterable<string>, path: string): Generator<ManifestEntry> {
  let count = -1;
  let fields = 12;
  let end: string | undefined;
  for (const line of lines) {
    if (count < 0) {
      fields = line === FIRST_LINE_OF_RECORD ? 13 : 12;
      if (line !== FIRST_LINE && line !== FIRST_LINE_OF_RECORD)
        throw unreadable(path, "its first line is not that of a manifest of this version");
    } else if (end !== undefined) {
      throw unreadable(path, "it goes on behind its last line");
    } else if (line.startsWith("# end: ")) {
      end = line;
      continue;
    } else {
      const entry = parseLine(line, fields);
      if (!entry) throw unreadable(path, `line ${count + 2} is damaged`);
      yield entry;
    }
    count++;
  }
  if (end !== lastLine(count)) throw unreadable(path, "it ends too early");
}

/** One line of a manifest, or undefined when it is damaged. */
export function parseLine(line: string, fieldsWanted = 12): ManifestEntry | undefined {
  const fields = line.split("\t");
  const [path, type, mode, owner, group, modified_s, size, sha256, device, target, linkSet, layer, attributes] = fields;
  const known = TYPES.find((each) => each === type);
  if (fields.length !== fieldsWanted || path === undefined || known === undefined) return undefined;
  const [major, minor] = device === "-" ? [0, 0] : (device ?? "").split(",").map(Number);
  const entry = {
    path: path === "." ? "" : unescapeText(path),
    type: known,
    mode: Number.parseInt(mode ?? "", 8),
    owner: Number(owner),
    group: Number(group),
    modified_s: Number(modified_s),
    size: Number(size),
    sha256: sha256 === "-" ? "" : (sha256 ?? ""),
    target: unescapeText(target ?? ""),
    major: major ?? Number.NaN,
    minor: minor ?? Number.NaN,
    linkSet: unescapeText(linkSet ?? ""),
    layer: unescapeText(layer ?? ""),
    ...(attributes === undefined ? {} : { attributes: unescapeText(attributes) }),
  };
  const numbers = [entry.mode, entry.owner, entry.group, entry.modified_s, entry.size, entry.major, entry.minor];
  return numbers.every(Number.isFinite) ? entry : undefined;
}

function* readLines(reader: Reader): Generator<string> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let rest = "";
  let position = 0;
  for (;;) {
    const bytes = reader.read(chunk, position);
    if (bytes === 0) break;
    position += bytes;
    const lines = (rest + chunk.toString("latin1", 0, bytes)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    // Told as a damaged line, before a file without line ends fills the memory.
    if (rest.length > LINE_BYTES_MAX) break;
  }
  if (rest !== "") yield rest;
}

function escapeText(text: TreePath): string {
  if (text === "") return "-";
  if (text === "-" || text === ".") return `\\x${text.charCodeAt(0).toString(16)}`;
  const plain = text.charCodeAt(0) === 0x23 ? `\\x23${text.slice(1)}` : text;
  if (!ESCAPED.test(text)) return plain;
  const escaped = text.replace(
    /[\u0000-\u001f\u007f\\]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return escaped.startsWith("#") ? `\\x23${escaped.slice(1)}` : escaped;
}

function unescapeText(text: string): string {
  if (text === "-") return "";
  if (!text.includes("\\")) return text;
  return text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function unreadable(path: string, why: string): RootloomError {
  return new RootloomError(`cannot read the manifest ${path}: ${why}`, {
    hint: "it is written anew by the next pack of this image, or when the tree is next recorded",
  });
}
