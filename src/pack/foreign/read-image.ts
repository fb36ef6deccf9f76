import { createHash, type Hash, hash } from "node:crypto";
import { type Entry, type EntryType, showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { Host, Reader } from "../../host/ports.ts";
import { HEADER_BYTES, NAME_BYTES_MAX, TRAILER, TYPE_BITS } from "../newc.ts";
import { initramfsIn } from "./efi-program.ts";
import { type MemberForm, readMembers, skipZeros, unreadable } from "./members.ts";
import type { PulledBytes } from "./pulled-bytes.ts";

/** An entry as it stands in an image file. */
export interface ForeignEntry extends Entry {
  /** Number and form of the member that holds it: `2 (zstd)`. */
  readonly member: string;
  readonly form: MemberForm;
  /** Names that its header states; more than 1: a hard link set, which shares `linkSet`. */
  readonly links: number;
}

export interface ReadOptions {
  /** Hashes contents; without it `sha256` is empty. */
  readonly hash: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the file that were read, of how many. */
  readonly progress?: ((done_bytes: number, total_bytes: number) => void) | undefined;
  /** What all members may come to when they are decompressed. */
  readonly limit_bytes?: number;
}

/** Decompressed, an image has to fit into a machine's memory. */
const LIMIT_BYTES = 2 ** 36;
const PART_BYTES = 1 << 18;
const TYPES = new Map(Object.entries(TYPE_BITS).map(([type, bits]) => [bits, type as EntryType]));
const TYPE_MASK = 0o170000;

/**
 * The entries of an initramfs made by anybody, in their order, with no more than one part of it in memory.
 * @throws RootloomError that says where it is damaged, cut short, or no initramfs.
 */
export async function* readImage(
  host: Pick<Host, "processes" | "files">,
  file: string,
  options: ReadOptions,
): AsyncGenerator<ForeignEntry> {
  const opened = host.files.openReader(file);
  if (opened === undefined) throw unreadable(file, "it does not exist");
  const { reader: whole, begin_bytes } = initramfsIn(opened);
  const reader = counted(whole, options.progress);
  const { signal, limit_bytes = LIMIT_BYTES } = options;
  try {
    for await (const { number, form, content } of readMembers(host, file, reader, {
      signal,
      limit_bytes,
      begin_bytes,
    })) {
      const isRaw = form === "cpio";
      const member = `${number} (${form})`;
      for await (const entry of readArchives(content, isRaw, options.hash)) {
        signal?.throwIfAborted();
        yield { ...entry, member, form, linkSet: entry.linkSet && `${number}:${entry.linkSet}` };
      }
    }
  } catch (thrown) {
    options.signal?.throwIfAborted();
    if (thrown instanceof RootloomError && !thrown.message.startsWith("cannot "))
      throw unreadable(file, thrown.message);
    throw thrown;
  } finally {
    reader.close();
  }
}

/** The same reader, telling how far it has been read. */
function counted(reader: Reader, progress: ReadOptions["progress"]): Reader {
  if (progress === undefined) return reader;
  const total_bytes = reader.stat().size;
  return {
    ...reader,
    read: (into, position) => {
      const bytes = reader.read(into, position);
      progress(position + bytes, total_bytes);
      return bytes;
    },
  };
}

type ArchivedEntry = Omit<ForeignEntry, "member" | "form">;

/** Archives in one member, one after another. A raw member ends with its archive; a compressed one must hold nothing else. */
async function* readArchives(bytes: PulledBytes, isRaw: boolean, withHash: boolean): AsyncGenerator<ArchivedEntry> {
  for (;;) {
    if (!isRaw) await skipZeros(bytes);
    const magic = await bytes.peek(6);
    if (magic.length === 0) return;
    if (!/^07070[12]$/.test(magic.toString("latin1"))) {
      if (isRaw) return;
      throw new RootloomError(`its members hold something that is no archive (byte ${bytes.position} of one)`);
    }
    const entry = await readEntry(bytes, withHash);
    if (entry !== undefined) yield entry;
    else if (isRaw) return;
  }
}

/** Undefined for the end of an archive. */
async function readEntry(bytes: PulledBytes, withHash: boolean): Promise<ArchivedEntry | undefined> {
  const at = bytes.position;
  const header = (await bytes.take(HEADER_BYTES)).toString("latin1");
  if (header.length < HEADER_BYTES) throw new RootloomError("it ends in the middle of a header");
  if (!/^[0-9a-fA-F]{104}$/.test(header.slice(6))) throw new RootloomError(`a header is damaged (byte ${at})`);
  const fields = Array.from({ length: 13 }, (_, index) =>
    Number.parseInt(header.slice(6 + index * 8, 14 + index * 8), 16),
  );
  const [inode = 0, mode = 0, owner = 0, group = 0, links = 0, modified_s = 0, size = 0] = fields;
  const [deviceMajor = 0, deviceMinor = 0, major = 0, minor = 0, name_bytes = 0] = fields.slice(7);
  if (name_bytes < 1 || name_bytes > NAME_BYTES_MAX + 1) {
    throw new RootloomError(`a name is empty or longer than 4095 bytes (byte ${at})`);
  }
  const name = await takeWhole(bytes, Math.ceil((HEADER_BYTES + name_bytes) / 4) * 4 - HEADER_BYTES);
  const end = name.indexOf(0);
  const written = name.toString("latin1", 0, end < 0 ? name_bytes : Math.min(end, name_bytes));
  if (written === TRAILER) return undefined;
  const type = TYPES.get(mode & TYPE_MASK);
  const shown = `/${showPath(written).slice(0, 200)}`;
  if (type === undefined) throw new RootloomError(`${shown} is of no known type (mode ${mode.toString(8)})`);
  if (type === "symlink" && size > NAME_BYTES_MAX) throw new RootloomError(`the target of ${shown} is too long`);
  const target = type === "symlink" ? (await takeWhole(bytes, size)).toString("latin1") : "";
  const sha256 = type === "symlink" ? "" : await readContent(bytes, size, withHash && type === "file", shown);
  await bytes.take((4 - (size % 4)) % 4);
  const isNode = type === "character" || type === "block";
  return {
    path: normalise(written),
    type,
    mode: mode & 0o7777,
    owner,
    group,
    modified_s,
    size: type === "file" || type === "symlink" ? size : 0,
    sha256,
    target,
    major: isNode ? major : 0,
    minor: isNode ? minor : 0,
    linkSet: type === "file" && links > 1 ? `${deviceMajor},${deviceMinor},${inode}` : "",
    links,
  };
}

async function readContent(bytes: PulledBytes, size: number, withHash: boolean, shown: string): Promise<string> {
  let digest: Hash | undefined;
  for (let left = size; left > 0; ) {
    const part = await bytes.part(Math.min(left, PART_BYTES));
    if (part.length === 0) throw new RootloomError(`it ends in the middle of ${shown}`);
    if (withHash && part.length === size) return hash("sha256", part);
    if (withHash) {
      digest ??= createHash("sha256");
      digest.update(part);
    }
    left -= part.length;
  }
  if (!withHash) return "";
  return digest?.digest("hex") ?? hash("sha256", "");
}

async function takeWhole(bytes: PulledBytes, count: number): Promise<Buffer> {
  const taken = await bytes.take(count);
  if (taken.length < count) throw new RootloomError("it ends in the middle of a name");
  return taken;
}

/** `./a//b/` and `/a/b` are `a/b`, as the kernel takes them; `..` stays to be seen. */
function normalise(name: string): TreePath {
  return name
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}
