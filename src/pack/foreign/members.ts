import { RootloomError } from "../../core/error.ts";
import type { Host, Reader } from "../../host/ports.ts";
import { inflateMember } from "./inflate.ts";
import { PulledBytes } from "./pulled-bytes.ts";
import { decodeByTool, type Tool } from "./tool.ts";
import { xzEnd } from "./xz-extent.ts";
import { decodeFrame, isSkippable } from "./zstd.ts";

/** In which forms the members of an image come. */
export type MemberForm = "cpio" | "gzip" | "zstd" | Tool["tool"];

/** One member of an image file: its number from 1, where it begins, and what it holds when it is decompressed. */
export interface Member {
  readonly number: number;
  readonly form: MemberForm;
  readonly position: number;
  /** To be read up to its end, or, of a raw one, up to where its archive ends, before the next member is asked for. */
  readonly content: PulledBytes;
}

const PART_BYTES = 1 << 18;
const MAGIC_BYTES = 8;

/** Forms that Node has no decoder for: by their tools. The end of an .xz stream is known; the others go to the end of the file. */
const TOOLS: readonly Tool[] = [
  { tool: "xz", arguments: ["--format=xz"], debian: "xz-utils", magic: "fd377a585a00" },
  { tool: "bzip2", arguments: [], debian: "bzip2", magic: "425a68" },
  { tool: "lz4", arguments: [], debian: "lz4", magic: "02214c18" },
  { tool: "lzma", arguments: [], debian: "xz-utils", magic: "5d0000" },
  { tool: "lzop", arguments: [], debian: "lzop", magic: "894c5a4f" },
];

/** What is no initramfs, and what reads it. */
const OTHERS: readonly (readonly [magic: string, what: string, hint: string])[] = [
  ["68737173", "a squashfs image", "unsquashfs -lln FILE"],
  ["7f454c46", "an ELF program", "give it the initramfs itself"],
  ["4d5a", "a kernel or an EFI program", "give it the initramfs itself"],
  ["213c617263683e", "an ar archive", "ar t FILE"],
  ["303730373037", "a cpio archive in the old portable form, which no kernel reads", "cpio -itv < FILE"],
];

export interface MembersOptions {
  readonly signal?: AbortSignal | undefined;
  readonly limit_bytes: number;
  /** Where in the file the reader begins: a tool is given the file itself. */
  readonly begin_bytes: number;
}

function extentOf(file: string, begin_bytes: number, position: number, end: number) {
  return { file, position: begin_bytes + position, end: begin_bytes + end };
}

/**
 * The members of an initramfs one after another, as the kernel finds them: raw archives, compressed ones, zeros between.
 * @throws RootloomError for a file that is none, and for damage.
 */
export async function* readMembers(
  host: Pick<Host, "processes">,
  file: string,
  reader: Reader,
  { signal, limit_bytes, begin_bytes }: MembersOptions,
): AsyncGenerator<Member> {
  const budget = { left_bytes: limit_bytes };
  const bytes = new PulledBytes((position) => partsOf(reader, position));
  for (let number = 1; ; number++) {
    await skipZeros(bytes);
    const magic = await bytes.peek(MAGIC_BYTES);
    if (magic.length === 0) {
      if (number === 1) throw unreadable(file, "it is empty");
      return;
    }
    const { position } = bytes;
    const form = formOf(magic);
    if (form === undefined) throw unknownForm(file, magic, position, number);
    if (form === "cpio") {
      yield { number, form, position, content: bytes };
      continue;
    }
    const end = form === "gzip" || form === "zstd" ? undefined : endOf(reader, form, position);
    const decoded =
      form === "gzip"
        ? inflateMember(bytes)
        : form === "zstd"
          ? decodeFrame(bytes)
          : decodeByTool(host, form, extentOf(file, begin_bytes, position, end ?? reader.stat().size), signal);
    const content = new PulledBytes(() => bounded(decoded, budget));
    try {
      yield { number, form: typeof form === "object" ? form.tool : form, position, content };
    } finally {
      await content.close();
    }
    if (end !== undefined) await bytes.jump(end);
  }
}

/** Zeros between members and archives, which have no limit of their own. */
export async function skipZeros(bytes: PulledBytes): Promise<void> {
  for (;;) {
    const part = await bytes.part(PART_BYTES);
    let end = 0;
    while (part[end] === 0) end++;
    if (end < part.length) bytes.giveBack(part.subarray(end));
    if (end < part.length || part.length === 0) return;
  }
}

function formOf(magic: Buffer): "cpio" | "gzip" | "zstd" | Tool | undefined {
  const start = magic.toString("latin1");
  if (start.startsWith("070701") || start.startsWith("070702")) return "cpio";
  if (start.startsWith("\x1f\x8b")) return "gzip";
  if (start.startsWith("\x28\xb5\x2f\xfd") || isSkippable(magic)) return "zstd";
  return TOOLS.find((tool) => magic.toString("hex").startsWith(tool.magic));
}

function endOf(reader: Reader, { tool }: Tool, position: number): number {
  const file_bytes = reader.stat().size;
  return tool === "xz" ? (xzEnd(reader, position) ?? file_bytes) : file_bytes;
}

async function* bounded(parts: AsyncIterable<Uint8Array>, budget: { left_bytes: number }): AsyncGenerator<Uint8Array> {
  for await (const part of parts) {
    budget.left_bytes -= part.length;
    if (budget.left_bytes < 0) throw new RootloomError("decompressed, it would be larger than any machine's memory");
    yield part;
  }
}

async function* partsOf(reader: Reader, from: number): AsyncGenerator<Uint8Array> {
  for (let position = from; ; ) {
    // A buffer of its own each time: what was given out may still be held.
    const buffer = Buffer.allocUnsafe(PART_BYTES);
    const length = reader.read(buffer, position);
    if (length === 0) return;
    position += length;
    yield buffer.subarray(0, length);
  }
}

function unknownForm(file: string, magic: Buffer, position: number, number: number): RootloomError {
  const hex = magic.toString("hex");
  const other = OTHERS.find(([start]) => hex.startsWith(start));
  if (number === 1 && other !== undefined) return unreadable(file, `it is ${other[1]}`, other[2].replace("FILE", file));
  const what = number === 1 ? "it does not begin like an initramfs" : "something else follows its archives";
  return unreadable(file, `${what} (${hex} at byte ${position})`, "read are cpio archives (newc), raw or compressed");
}

export function unreadable(file: string, why: string, hint?: string): RootloomError {
  return new RootloomError(`cannot read ${file}: ${why}`, hint === undefined ? {} : { hint });
}
