import { type EntryType, showPath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { Files } from "../host/ports.ts";
import { streamContent } from "./content.ts";
import { writeText } from "./newc.ts";
import type { PackEntry } from "./types.ts";

const BLOCK_BYTES = 512;
const NAME_BYTES = 100;
/** Headers are handed on together, not each by itself. */
const PART_BYTES = 1 << 16;
const FLAGS: Readonly<Partial<Record<EntryType, string>>> = {
  file: "0",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

export interface TarOptions {
  /** Whether the top has a member of its own, `./`. */
  readonly top: boolean;
  /** Bytes of content that were handed on. */
  readonly progress: (done_bytes: number) => void;
}

/**
 * Entries as a tarball (ustar, with pax headers for long names), in their order. The first name of a hard link set has
 * its content. @throws RootloomError, transient, for a file that changes while it is read.
 */
export async function* writeTar(
  files: Files,
  entries: Iterable<PackEntry>,
  { top, progress }: TarOptions,
): AsyncGenerator<Uint8Array> {
  const firstNames = new Map<string, string>();
  let headers: Uint8Array[] = [];
  let headers_bytes = 0;
  let done_bytes = 0;
  const flush = (): Uint8Array => {
    const bytes = Buffer.concat(headers);
    headers = [];
    headers_bytes = 0;
    return bytes;
  };
  for (const entry of entries) {
    if (entry.path === "" && !top) continue;
    const first = entry.linkSet === "" ? undefined : firstNames.get(entry.linkSet);
    if (entry.linkSet !== "" && first === undefined) firstNames.set(entry.linkSet, entry.path);
    for (const header of headersOf(entry, first)) {
      headers.push(header);
      headers_bytes += header.length;
    }
    const hasContent = entry.type === "file" && first === undefined && entry.size > 0;
    if (hasContent || headers_bytes >= PART_BYTES) yield flush();
    if (!hasContent) continue;
    for (const part of streamContent(files, entry)) {
      // A copy: the part is overwritten by the next while this one may still be on its way.
      yield Uint8Array.from(part);
      done_bytes += part.length;
      progress(done_bytes);
    }
    headers.push(new Uint8Array((BLOCK_BYTES - (entry.size % BLOCK_BYTES)) % BLOCK_BYTES));
  }
  headers.push(new Uint8Array(2 * BLOCK_BYTES));
  yield flush();
}

/** @param first an earlier name of the same content. */
function headersOf(entry: PackEntry, first: string | undefined): readonly Uint8Array[] {
  const name = entry.path === "" ? "./" : entry.type === "directory" ? `${entry.path}/` : entry.path;
  const link = first ?? entry.target;
  const long: [string, string][] = [];
  if (name.length > NAME_BYTES) long.push(["path", name]);
  if (link.length > NAME_BYTES) long.push(["linkpath", link]);
  const header = headerOf(entry, name, link, first !== undefined);
  return long.length === 0 ? [header] : [...extendedHeader(long), header];
}

function headerOf(entry: PackEntry, name: string, link: string, isLink: boolean): Uint8Array {
  const { type, mode, owner, group, modified_s, size } = entry;
  const flag = isLink ? "1" : FLAGS[type];
  if (flag === undefined) throw new RootloomError(`cannot pack /${showPath(entry.path)}: it is a ${type}`);
  const block = new Uint8Array(BLOCK_BYTES);
  writeText(block, 0, name.slice(0, NAME_BYTES));
  writeNumber(block, 100, 8, mode);
  writeNumber(block, 108, 8, owner);
  writeNumber(block, 116, 8, group);
  writeNumber(block, 124, 12, type === "file" && !isLink ? size : 0);
  writeNumber(block, 136, 12, modified_s);
  writeText(block, 156, flag);
  writeText(block, 157, link.slice(0, NAME_BYTES));
  writeNumber(block, 329, 8, entry.major);
  writeNumber(block, 337, 8, entry.minor);
  return sealed(block);
}

/** Records `LENGTH KEY=VALUE\n`, whose length counts itself. */
function extendedHeader(values: readonly (readonly [string, string])[]): readonly Uint8Array[] {
  const records = values.map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length + 1;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    return `${length}${rest}`;
  });
  const text = records.join("");
  const block = new Uint8Array(BLOCK_BYTES);
  writeText(block, 0, "extended");
  writeNumber(block, 100, 8, 0o600);
  writeNumber(block, 108, 8, 0);
  writeNumber(block, 116, 8, 0);
  writeNumber(block, 124, 12, text.length);
  writeNumber(block, 136, 12, 0);
  writeText(block, 156, "x");
  const content = new Uint8Array(Math.ceil(text.length / BLOCK_BYTES) * BLOCK_BYTES);
  writeText(content, 0, text);
  return [sealed(block), content];
}

function sealed(block: Uint8Array): Uint8Array {
  writeText(block, 257, "ustar\u000000");
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  writeText(block, 148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** Octal digits; what they cannot hold in base 256, as GNU tar writes it. */
function writeNumber(block: Uint8Array, offset: number, length: number, value: number): void {
  const digits = value.toString(8);
  if (digits.length < length) {
    writeText(block, offset, `${digits.padStart(length - 1, "0")}\0`);
    return;
  }
  let rest = value;
  for (let index = length - 1; index > 0; index--) {
    block[offset + index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  block[offset] = 0x80;
}
