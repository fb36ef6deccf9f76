import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { EntryType, TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import { notEmulated } from "./errno.ts";

/** A member of a tarball; `path` and `target` are one byte a character. */
export interface TarMember {
  readonly path: TreePath;
  readonly type: EntryType | "hardlink";
  readonly mode: number;
  readonly owner?: number;
  readonly group?: number;
  readonly modified_s?: number;
  readonly content?: Uint8Array;
  readonly target?: string;
  readonly major?: number;
  readonly minor?: number;
}

const TYPES: readonly (readonly [string, TarMember["type"]])[] = [
  ["0", "file"],
  ["1", "hardlink"],
  ["2", "symlink"],
  ["3", "character"],
  ["4", "block"],
  ["5", "directory"],
  ["6", "fifo"],
];
const BLOCK = 512;

/** A ustar archive, with GNU long names where needed; real tar reads it. */
export function makeTarball(members: readonly TarMember[], compression: "none" | "gzip" | "zstd" = "none"): Uint8Array {
  const parts: Buffer[] = [];
  for (const member of members) {
    const name = member.type === "directory" ? `./${member.path}/` : `./${member.path}`;
    for (const [flag, text] of [["L", name] as const, ["K", member.target ?? ""] as const]) {
      if (text.length < 100) continue;
      parts.push(header({ path: "././@LongLink", type: "file", mode: 0 }, "././@LongLink", flag, text.length + 1));
      parts.push(padded(Buffer.from(`${text}\0`, "latin1")));
    }
    const content = member.type === "file" ? (member.content ?? new Uint8Array(0)) : new Uint8Array(0);
    const flag = TYPES.find(([, type]) => type === member.type)?.[0] ?? "0";
    parts.push(header(member, name.slice(0, 99), flag, content.length), padded(content));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  const plain = Buffer.concat(parts);
  if (compression === "none") return plain;
  return compression === "gzip" ? gzipSync(plain) : zstdCompressSync(plain);
}

/** Reads ustar with GNU long names, plain or compressed with gzip or zstd. */
export function readTarball(bytes: Uint8Array): readonly TarMember[] {
  const plain = decompress(Buffer.from(bytes));
  const members: TarMember[] = [];
  let long: { name?: string; link?: string } = {};
  for (let position = 0; position + BLOCK <= plain.length; ) {
    const block = plain.subarray(position, position + BLOCK);
    if (block.every((byte) => byte === 0)) break;
    if (text(block, 257, 5) !== "ustar") throw new RootloomError("this does not look like a tar archive");
    const size = Number.parseInt(text(block, 124, 12), 8);
    const content = plain.subarray(position + BLOCK, position + BLOCK + size);
    if (content.length < size) throw new RootloomError("unexpected end of file in archive");
    position += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const flag = text(block, 156, 1);
    if (flag === "L" || flag === "K") {
      long = { ...long, [flag === "L" ? "name" : "link"]: content.toString("latin1").replace(/\0$/, "") };
      continue;
    }
    members.push(memberOf(block, flag, content, long));
    long = {};
  }
  return members;
}

function memberOf(block: Buffer, flag: string, content: Buffer, long: { name?: string; link?: string }): TarMember {
  const type = TYPES.find(([name]) => name === (flag === "" ? "0" : flag))?.[1];
  if (type === undefined) throw notEmulated(`tar members of type ${flag}`);
  const octal = (start: number, size: number): number => Number.parseInt(text(block, start, size).trim() || "0", 8);
  const prefix = text(block, 345, 155);
  const name = long.name ?? (prefix === "" ? text(block, 0, 100) : `${prefix}/${text(block, 0, 100)}`);
  return {
    path: name
      .replace(/^(\.?\/)+/, "")
      .replace(/^\.$/, "")
      .replace(/\/+$/, ""),
    type,
    mode: octal(100, 8) & 0o7777,
    owner: octal(108, 8),
    group: octal(116, 8),
    modified_s: octal(136, 12),
    content: Uint8Array.from(content),
    target: (long.link ?? text(block, 157, 100)).replace(type === "hardlink" ? /^(\.?\/)+/ : /^$/, ""),
    major: octal(329, 8),
    minor: octal(337, 8),
  };
}

function header(member: TarMember, name: string, flag: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, start: number, length: number): void => {
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, start, "latin1");
  };
  block.write(name, 0, "latin1");
  octal(member.mode, 100, 8);
  octal(member.owner ?? 0, 108, 8);
  octal(member.group ?? 0, 116, 8);
  octal(size, 124, 12);
  octal(member.modified_s ?? 0, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(flag, 156, "latin1");
  block.write((member.target ?? "").slice(0, 99), 157, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  octal(member.major ?? 0, 329, 8);
  octal(member.minor ?? 0, 337, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function padded(content: Uint8Array): Buffer {
  const size = Math.ceil(content.length / BLOCK) * BLOCK;
  return Buffer.concat([content, Buffer.alloc(size - content.length)]);
}

function decompress(bytes: Buffer): Buffer {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes);
  if (bytes.length >= 4 && bytes.readUInt32LE(0) === 0xfd2fb528) return zstdDecompressSync(bytes);
  return bytes;
}

function text(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start);
  return block.toString("latin1", start, end < 0 ? start + length : Math.min(end, start + length));
}
