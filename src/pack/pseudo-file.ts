import { createHash, type Hash } from "node:crypto";
import type { EntryType } from "../core/entry.ts";
import type { FilesystemCheck, FoundEntry } from "./filesystem-check.ts";

const TYPES: Readonly<Record<string, EntryType>> = {
  D: "directory",
  R: "file",
  S: "symlink",
  C: "character",
  B: "block",
};
const END_LINES = 3;
const NEWLINE = 10;
const LINE_BYTES_MAX = 1 << 16;

/**
 * Reads what `unsquashfs -pf` writes, in parts: a line an entry, then all contents behind one another. Everything that a
 * squashfs image holds is in it, so that nothing has to be mounted to compare it.
 */
export class PseudoFileReader {
  readonly #check: FilesystemCheck;
  readonly #contents: { readonly path: string; readonly size: number }[] = [];
  readonly #found = new Map<string, FoundEntry>();
  #rest = Buffer.alloc(0);
  #endLines = 0;
  #next = 0;
  #left = 0;
  #digest: Hash | undefined;

  constructor(check: FilesystemCheck) {
    this.#check = check;
  }

  push(part: Uint8Array): void {
    if (this.#endLines === END_LINES) {
      this.#content(part);
      return;
    }
    this.#rest = Buffer.concat([this.#rest, part]);
    let offset = 0;
    while (this.#endLines < END_LINES) {
      const end = this.#lineEnd(offset);
      if (end === undefined) break;
      this.#line(this.#rest.toString("latin1", offset, end));
      offset = end + 1;
    }
    this.#rest = this.#rest.subarray(offset);
    if (this.#rest.length > LINE_BYTES_MAX && this.#endLines === 0)
      this.#check.report("its list of entries is no list");
    if (this.#endLines < END_LINES) return;
    const content = this.#rest;
    this.#rest = Buffer.alloc(0);
    this.#content(content);
  }

  finish(): void {
    this.#content(new Uint8Array(0));
    if (this.#endLines < END_LINES || this.#next < this.#contents.length)
      this.#check.report("its contents end too early");
  }

  /** A backslash stands before a character of a name that would end it; a target stands as it is. */
  #lineEnd(from: number): number | undefined {
    for (let index = from; index < this.#rest.length; index++) {
      const byte = this.#rest[index];
      if (byte === 0x5c) index++;
      else if (byte === NEWLINE) return this.#targetEnd(from, index);
    }
    return undefined;
  }

  /** A target may hold line ends: where the manifest's own stands there, it ends where that ends. */
  #targetEnd(from: number, end: number): number | undefined {
    const words = splitLine(this.#rest.toString("latin1", from, end));
    const expected = words[1] === "S" ? this.#check.expected(words[0] ?? "")?.target : undefined;
    if (expected === undefined || !/[\n\\]/.test(expected)) return end;
    const start = this.#rest.toString("latin1", from, end).length - (words[6] ?? "").length + from;
    const last = start + expected.length;
    if (last >= this.#rest.length) return undefined;
    return this.#rest.toString("latin1", start, last) === expected && this.#rest[last] === NEWLINE ? last : end;
  }

  #line(line: string): void {
    if (this.#endLines > 0 || line === "#") {
      this.#endLines++;
      return;
    }
    const [path = "", letter = "", time, mode, owner, group, ...rest] = splitLine(line);
    if (letter === "L") {
      const first = this.#found.get(withoutEscapes(line.slice(line.indexOf(" L ") + 3)));
      if (first !== undefined) this.#check.entry({ ...first, path });
      else this.#check.report(`${path} is linked to nothing`);
      return;
    }
    const type = letter === "I" ? (rest[0] === "f" ? "fifo" : "socket") : TYPES[letter];
    if (type === undefined) {
      this.#check.report(`a line of its list is not understood: ${line.slice(0, 200)}`);
      return;
    }
    const isNode = type === "character" || type === "block";
    const size = type === "file" ? Number(rest[0]) : 0;
    const found: FoundEntry = {
      path,
      type,
      mode: Number.parseInt(mode ?? "", 8),
      owner: Number(owner),
      group: Number(group),
      modified_s: Number(time),
      size,
      target: type === "symlink" ? (rest[0] ?? "") : "",
      major: isNode ? Number(rest[0]) : 0,
      minor: isNode ? Number(rest[1]) : 0,
      inode: path,
    };
    this.#found.set(path, found);
    this.#check.entry(found);
    if (type === "file") this.#contents.push({ path, size });
  }

  #content(bytes: Uint8Array): void {
    for (let offset = 0; ; ) {
      const file = this.#contents[this.#next];
      if (file === undefined) return;
      if (this.#digest === undefined) {
        this.#digest = createHash("sha256");
        this.#left = file.size;
      }
      const part = bytes.subarray(offset, offset + this.#left);
      this.#digest.update(part);
      this.#left -= part.length;
      offset += part.length;
      if (this.#left > 0) return;
      this.#check.content(file.path, this.#digest.digest("hex"));
      this.#digest = undefined;
      this.#next++;
    }
  }
}

/** Path, letter, and what follows; of a symlink the target as one word, spaces and all. */
function splitLine(line: string): readonly string[] {
  const [, name = "", letter = "", rest = ""] = /^((?:\\[\s\S]|[^\\ ])*) (.) ?([\s\S]*)$/.exec(line) ?? [];
  const path = withoutEscapes(name);
  const words = rest.split(" ");
  const shown = letter === "S" ? [...words.slice(0, 4), words.slice(4).join(" ")] : words;
  return [path === "/" ? "" : path, letter, ...shown];
}

function withoutEscapes(text: string): string {
  return text.replace(/\\([\s\S])/g, "$1");
}
