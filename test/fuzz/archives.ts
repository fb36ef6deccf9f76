import { createHash } from "node:crypto";
import { ImageCheck } from "../../src/pack/image-check.ts";
import { align4, HEADER_BYTES, trailer, writeHeader, writeText } from "../../src/pack/newc.ts";
import type { ManifestEntry } from "../../src/pack/types.ts";
import { mutate, type Random } from "./random.ts";

/** Inode and device numbers of what is not linked, and all of the trailer's, mean nothing to who unpacks. */
interface Archive {
  readonly bytes: Buffer;
  readonly entries: readonly ManifestEntry[];
  readonly meaningless: readonly (readonly [number, number])[];
}

/** A sound archive with one of everything. */
export function soundArchive(random: Random): Archive {
  const entries = [
    entryOf("", "directory"),
    entryOf("dev", "directory"),
    { ...entryOf("dev/null", "character"), major: 1, minor: 3 },
    fileOf("file", random.bytes(random.below(300))),
    { ...entryOf("link", "symlink"), target: "file", size: 4 },
    { ...fileOf("one", Buffer.from("linked")), linkSet: "two" },
    { ...fileOf("two", Buffer.from("linked")), linkSet: "two" },
  ];
  const meaningless: [number, number][] = [];
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [index, { content, ...entry }] of entries.entries()) {
    const linked = entry.linkSet !== "";
    const carried = !linked || entry.linkSet === entry.path ? content : Buffer.alloc(0);
    const placement = {
      inode: linked ? 99 : index + 1,
      links: linked ? 2 : 1,
      deviceMajor: 7,
      deviceMinor: 8,
      content_bytes: carried.length,
    };
    const buffer = Buffer.alloc(HEADER_BYTES + 64 + carried.length);
    const start = writeHeader(buffer, 0, entry, placement);
    writeText(buffer, start, carried.toString("latin1"));
    if (!linked) meaningless.push([offset + 6, offset + 14], [offset + 62, offset + 78]);
    parts.push(buffer.subarray(0, start + align4(carried.length)));
    offset += start + align4(carried.length);
  }
  meaningless.push([offset + 6, offset + 54], [offset + 62, offset + 94], [offset + 102, offset + 110]);
  return { bytes: Buffer.concat([...parts, trailer()]), entries, meaningless };
}

/** What a verify says of the bytes, pushed in pieces. */
export function problemsOf(bytes: Buffer, entries: readonly ManifestEntry[], random: Random): readonly string[] {
  const check = new ImageCheck(entries);
  for (let position = 0; position < bytes.length; ) {
    const length = 1 + random.below(200);
    check.push(bytes.subarray(position, position + length));
    position += length;
  }
  return check.finish().problems;
}

/** @throws when a changed archive passes for the whole one, or a whole one does not. */
export function fuzzArchives(random: Random): void {
  const { bytes, entries, meaningless } = soundArchive(random);
  const none = problemsOf(bytes, entries, random);
  if (none.length > 0) throw new Error(`a whole archive has problems: ${none}`);
  const mutated = mutate(bytes, random);
  if (problemsOf(mutated, entries, random).length > 0) return;
  if (withoutMeaningless(mutated, meaningless, bytes) !== bytes.toString("latin1"))
    throw new Error("a changed archive passes");
}

function withoutMeaningless(bytes: Buffer, ranges: Archive["meaningless"], original: Buffer): string {
  const plain = Buffer.from(bytes);
  for (const [from, to] of ranges) original.copy(plain, from, from, to);
  // Digits of either case are one number; zeros behind the end are padding.
  const text = plain.toString("latin1").toLowerCase().replace(/\0+$/, "");
  const wanted = original.toString("latin1").toLowerCase().replace(/\0+$/, "");
  return text === wanted ? original.toString("latin1") : text;
}

type ContentEntry = ManifestEntry & { readonly content: Buffer };

function fileOf(path: string, content: Buffer): ContentEntry {
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { ...entryOf(path, "file"), size: content.length, sha256, content };
}

function entryOf(path: string, type: ManifestEntry["type"]): ContentEntry {
  const nothing = {
    sha256: "",
    target: "",
    linkSet: "",
    major: 0,
    minor: 0,
    owner: 0,
    group: 0,
    modified_s: 1,
    size: 0,
  };
  return {
    path,
    type,
    mode: 0o755,
    ...nothing,
    layer: "root",
    content: type === "symlink" ? Buffer.from("file") : Buffer.alloc(0),
  };
}
