import ffi from "node:ffi";
import { constants } from "node:os";
import type { EntryType, TreePath } from "../../core/entry.ts";
import type { FileStat } from "../ports.ts";

/**
 * The system calls that Node lacks, through node:ffi; nothing else in the program speaks to libc.
 * Failures are thrown in Node's own form (an Error with `code` and `syscall`). Numbers and layouts are
 * those of x86_64 and aarch64, alike but for two numbers; flags that differ are the caller's, from node:fs.
 */

/** https://man7.org/linux/man-pages/man2/openat2.2.html */
export const resolveFlags = {
  noXdev: 0x01,
  noMagicLinks: 0x02,
  noSymlinks: 0x04,
  beneath: 0x08,
  inRoot: 0x10,
} as const;
export const openPath = 0o10000000;
export const openNoAccessTime = 0o1000000;
export const currentDirectory = -100;

const closeOnExec = 0o2000000;
const openat2Number = 437n;
const openTreeNumber = 428n;
const [statxNumber, getdentsNumber] = process.arch === "x64" ? [332n, 217n] : [291n, 61n];
const openTreeClone = 1;
const emptyPath = 0x1000n;
const symlinkNoFollow = 0x100n;
const unixFamily = 1;
const datagramType = 2;
const birthTime = 0x800;
const statxMask = 0x1fffn; // basic facts, the time of birth and the mount id
const uniqueMount = 0x4000;
const attributeMountRoot = 0x2000;
const attributeListSize_bytes = 65_536;
const syncFileRangeWrite = 2;

const { functions: libc } = ffi.dlopen("libc.so.6", {
  // For what is called for each node of a tree: with seven numbers node:ffi does less by itself than with what `statx` takes.
  syscall: { return: "int64", arguments: ["int64", "int64", "int64", "int64", "int64", "int64", "int64"] },
  renameat2: { return: "int32", arguments: ["int32", "pointer", "int32", "pointer", "uint32"] },
  mknod: { return: "int32", arguments: ["pointer", "uint32", "uint64"] },
  lgetxattr: { return: "int64", arguments: ["pointer", "pointer", "pointer", "uint64"] },
  llistxattr: { return: "int64", arguments: ["pointer", "pointer", "uint64"] },
  syncfs: { return: "int32", arguments: ["int32"] },
  copy_file_range: { return: "int64", arguments: ["int32", "pointer", "int32", "pointer", "uint64", "uint32"] },
  sync_file_range: { return: "int32", arguments: ["int32", "int64", "int64", "uint32"] },
  lseek: { return: "int64", arguments: ["int32", "int64", "int32"] },
  flock: { return: "int32", arguments: ["int32", "int32"] },
  ioctl: { return: "int32", arguments: ["int32", "uint64", "pointer"] },
  socket: { return: "int32", arguments: ["int32", "int32", "int32"] },
  sendto: { return: "int64", arguments: ["int32", "pointer", "uint64", "int32", "pointer", "uint32"] },
  close: { return: "int32", arguments: ["int32"] },
  mallopt: { return: "int32", arguments: ["int32", "int32"] },
  __errno_location: { return: "pointer", arguments: [] },
});

// Buffers that libc reads and fills. They stay for the life of the thread, outside V8's heap, so that
// their addresses hold; a call is short and synchronous, so one of each is enough.
const pathLimit_bytes = 4_096;
const [firstPath, firstPathPointer] = area(pathLimit_bytes);
const [secondPath, secondPathPointer] = area(pathLimit_bytes);
const [how, howPointer] = area(128);
const [facts, factsPointer] = area(256);
const [scratch, scratchPointer] = area(attributeListSize_bytes);
const [entries, entriesPointer] = area(attributeListSize_bytes);
const howWords = new BigUint64Array(how.buffer, how.byteOffset, how.byteLength / 8);
const factsView = new DataView(facts.buffer, facts.byteOffset, facts.byteLength);
const factWords = new Uint32Array(facts.buffer, facts.byteOffset, facts.byteLength / 4);
const entryHalves = new Uint16Array(entries.buffer, entries.byteOffset, entries.byteLength / 2);
const errnoPointer = libc.__errno_location(); // one per thread, and so is this module

/** What statx tells of a node, with the mount it is on. */
export interface NodeFacts extends FileStat {
  readonly mountId: number;
  /** True when the node is the top of a mount. */
  readonly mountRoot: boolean;
}

/**
 * Opens `path` below the directory `directory` under the given resolve rules (openat2).
 * @returns a descriptor, to be closed by the caller.
 */
export function openBelow(directory: number, path: TreePath, flags: number, resolve: number): number {
  howWords.fill(0n, 0, 3);
  howWords[0] = BigInt(flags | closeOnExec);
  howWords[2] = BigInt(resolve);
  fillPath(firstPath, path === "" ? "." : path, "latin1");
  // EAGAIN: a rename elsewhere made a ".." unsafe to judge; the manual page says to try again.
  for (let attempt = 0; ; attempt += 1) {
    const result = libc.syscall(openat2Number, BigInt(directory), firstPathPointer, howPointer, 24n, 0n, 0n);
    if (result >= 0n) return Number(result);
    const code = lastErrorCode();
    if ((code !== "EAGAIN" && code !== "EINTR") || attempt >= 1_000) throw systemCallError("openat2", code);
  }
}

/** lstat of `name` in an open directory; undefined when nothing is there. */
export function statAt(directory: number, name: string, encoding: "latin1" | "utf8" = "latin1"): NodeFacts | undefined {
  fillPath(firstPath, name, encoding);
  if (statx(BigInt(directory), firstPathPointer, symlinkNoFollow)) return readFacts();
  const code = lastErrorCode();
  if (code === "ENOENT" || code === "ENOTDIR") return undefined;
  throw systemCallError("statx", code);
}

/** Facts of what a descriptor holds, O_PATH ones too. */
export function statDescriptor(descriptor: number): NodeFacts {
  statxOf(descriptor, statxMask);
  return readFacts();
}

/** A number of the mount that an open file is on, which no other mount ever has; undefined where the kernel knows none (before Linux 6.8). */
export function uniqueMountId(descriptor: number): bigint | undefined {
  statxOf(descriptor, BigInt(uniqueMount));
  return (factsView.getUint32(0, true) & uniqueMount) === 0 ? undefined : factsView.getBigUint64(144, true);
}

/** The few facts of a node that a look at many needs; they hold until the next call. */
export interface RawFacts {
  readonly directory: boolean;
  readonly links: number;
  readonly mountRoot: boolean;
  readonly changed_ms: number;
}

const rawFacts = { directory: false, links: 0, mountRoot: false, changed_ms: 0 };

/**
 * Visits every node of a directory that is open to be listed, in the kernel's order. No object and no text is made: the name
 * stands in `names` from `start` to a NUL, and `writeRawFacts` copies what its stamp is made of.
 * @throws as node:fs does; a name that vanished is not visited.
 */
export function visitNodes(directory: number, visit: (names: Buffer, start: number, facts: RawFacts) => void): void {
  const descriptor = BigInt(directory);
  for (;;) {
    const length = Number(libc.syscall(getdentsNumber, descriptor, entriesPointer, BigInt(entries.length), 0n, 0n, 0n));
    check("getdents64", length);
    if (length === 0) return;
    // A record: inode, offset, its own length at 16, a type, and from 19 the name with a NUL behind it.
    for (let record = 0; record < length; record += entryHalves[record / 2 + 8] ?? length) {
      const start = record + 19;
      if (isDots(start) || !lookAt(descriptor, entriesPointer + BigInt(start))) continue;
      if (rawFacts.mountRoot) lookUnderMount(directory, entries.toString("latin1", start, entries.indexOf(0, start)));
      visit(entries, start, rawFacts);
    }
  }
}

/** Whether the name that starts there is `.` or `..`. */
function isDots(start: number): boolean {
  if (entries[start] !== 0x2e) return false;
  return entries[start + 1] === 0 || (entries[start + 1] === 0x2e && entries[start + 2] === 0);
}

/** False where the name vanished. */
function lookAt(directory: bigint, name: bigint): boolean {
  if (!statx(directory, name, symlinkNoFollow)) {
    const code = lastErrorCode();
    if (code === "ENOENT") return false;
    throw systemCallError("statx", code);
  }
  rawFacts.directory = ((factWords[7] ?? 0) & 0o170000) === 0o040000;
  rawFacts.links = factWords[4] ?? 0;
  rawFacts.mountRoot = ((factWords[2] ?? 0) & attributeMountRoot) !== 0;
  rawFacts.changed_ms = changedAt_ms();
  return true;
}

/** What a mount covers belongs to the tree, not what is mounted: its facts take the place of the other's. */
function lookUnderMount(directory: number, name: string): void {
  rawFacts.changed_ms = statUnderMount(directory, name)?.changed_ms ?? rawFacts.changed_ms;
}

/** What `writeRawFacts` writes, in words of 4 bytes. */
export const rawFactWords = 15;

/**
 * Writes what the stamp of the node last visited is made of, and its attributes: names, owner, group and mode, which a power cut
 * may take back without the ctime of the same tick; inode and size; ctime and mtime.
 */
export function writeRawFacts(into: Uint32Array, offset: number): void {
  let to = offset;
  for (let word = 4; word < 12; word++) into[to++] = factWords[word] ?? 0;
  for (let word = 24; word < 31; word++) into[to++] = factWords[word] ?? 0;
}

/**
 * lstat of what a mount on `name` in an open directory covers: seen through a copy of the directory's own mount that hangs
 * nowhere and has none of the mounts in it (open_tree). Undefined where we may not make one: an ordinary user, or a mount of
 * another namespace.
 * https://man7.org/linux/man-pages/man2/open_tree.2.html
 */
export function statUnderMount(directory: number, name: string): NodeFacts | undefined {
  firstPath[0] = 0;
  const flags = BigInt(openTreeClone | closeOnExec) | emptyPath;
  const held = libc.syscall(openTreeNumber, BigInt(directory), firstPathPointer, flags, 0n, 0n, 0n);
  if (held >= 0n) {
    try {
      return statAt(Number(held), name);
    } finally {
      libc.close(Number(held));
    }
  }
  const code = lastErrorCode();
  if (["EPERM", "EINVAL", "ENOSYS"].includes(code)) return undefined;
  throw systemCallError("open_tree", code);
}

/** rename that fails with EEXIST where anything stands at the target; EINVAL where the filesystem cannot say. */
export function renameWithoutReplacing(from: string, to: string): void {
  fillPath(firstPath, from, "utf8");
  fillPath(secondPath, to, "utf8");
  check("renameat2", libc.renameat2(currentDirectory, firstPathPointer, currentDirectory, secondPathPointer, 1));
}

/** mknod of a device, fifo or socket at `path` (one byte a character), readable by its owner only. */
export function makeNodeAt(path: string, type: EntryType, major: number, minor: number): void {
  const format = formats.get(type);
  if (format === undefined || type === "directory" || type === "symlink") throw systemCallError("mknod", "EINVAL");
  const [high, low] = [BigInt(major), BigInt(minor)];
  // glibc's makedev
  const device = ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn);
  fillPath(firstPath, path, "latin1");
  check("mknod", libc.mknod(firstPathPointer, format | 0o600, device));
}

/** Names of the extended attributes of the node at `path` (one byte a character), a symlink's own. */
export function extendedAttributeNames(path: string): readonly string[] {
  fillPath(firstPath, path, "latin1");
  const length = libc.llistxattr(firstPathPointer, scratchPointer, BigInt(attributeListSize_bytes));
  if (length >= 0n) return scratch.toString("latin1", 0, Number(length)).split("\0").filter(Boolean).sort();
  const code = lastErrorCode();
  if (code === "ENOTSUP" || code === "EOPNOTSUPP") return [];
  throw systemCallError("llistxattr", code);
}

/** Value of one extended attribute of the node at `path`, a symlink's own; undefined where it has none of that name. */
export function extendedAttributeValue(path: string, name: string): Buffer | undefined {
  fillPath(firstPath, path, "latin1");
  fillPath(secondPath, name, "latin1");
  const limit = BigInt(attributeListSize_bytes);
  const length = libc.lgetxattr(firstPathPointer, secondPathPointer, scratchPointer, limit);
  if (length >= 0n) return Buffer.from(scratch.subarray(0, Number(length)));
  const code = lastErrorCode();
  if (code === "ENODATA" || code === "ENOTSUP" || code === "EOPNOTSUPP") return undefined;
  throw systemCallError("lgetxattr", code);
}

/**
 * Memory of 128 KiB and more goes back to the kernel whenever it is given back, in all threads. By itself the C library keeps
 * larger and larger pieces in each thread's own heap: https://man7.org/linux/man-pages/man3/mallopt.3.html
 */
export function returnMemoryAtOnce(): void {
  const mmapThreshold = -3;
  libc.mallopt(mmapThreshold, 1 << 17);
}

/** Writes out all of the filesystem that an open file is on. */
export function syncFilesystemOf(descriptor: number): void {
  check("syncfs", libc.syncfs(descriptor));
}

/** Takes a flock on an open file, one that others may share or one alone; false when another open file's is in the way. */
export function tryLock(descriptor: number, shared: boolean): boolean {
  const withoutWaiting = 4;
  if (libc.flock(descriptor, (shared ? 1 : 2) | withoutWaiting) === 0) return true;
  const code = lastErrorCode();
  if (code === "EAGAIN" || code === "EWOULDBLOCK") return false;
  throw systemCallError("flock", code);
}

/** Shares the first bytes of an open file with another (FICLONERANGE); whole blocks only. False where the filesystem cannot. */
export function cloneStart(from: number, to: number, length_bytes: number): boolean {
  how.writeBigInt64LE(BigInt(from), 0);
  how.writeBigUInt64LE(0n, 8);
  how.writeBigUInt64LE(BigInt(length_bytes), 16);
  how.writeBigUInt64LE(0n, 24);
  if (libc.ioctl(to, 0x4020940dn, howPointer) === 0) return true;
  const code = lastErrorCode();
  if (["ENOTSUP", "EOPNOTSUPP", "EXDEV", "ENOTTY", "EINVAL", "ENOSYS"].includes(code)) return false;
  throw systemCallError("ioctl", code);
}

/** Copies bytes at `offset` of one open file to the same place in another inside the kernel; returns how many. */
export function copyRange(from: number, to: number, offset: number, length_bytes: number): number {
  how.writeBigInt64LE(BigInt(offset), 0);
  facts.writeBigInt64LE(BigInt(offset), 0);
  const copied = libc.copy_file_range(from, howPointer, to, factsPointer, BigInt(length_bytes), 0);
  if (copied >= 0n) return Number(copied);
  throw systemCallError("copy_file_range", lastErrorCode());
}

/** Lets the disk begin to write a part of an open file, and waits for nothing. Where that cannot be asked for, a sync does it all. */
export function beginWriting(descriptor: number, offset: number, length_bytes: number): void {
  libc.sync_file_range(descriptor, BigInt(offset), BigInt(length_bytes), syncFileRangeWrite);
}

/** Where the next write to an open file goes. */
export function seekTo(descriptor: number, offset: number): void {
  check("lseek", Number(libc.lseek(descriptor, BigInt(offset), 0)));
}

/** The uuid of the filesystem of an open file as lower-case hex, or undefined where the kernel does not tell (FS_IOC_GETFSUUID, Linux 6.9). */
export function filesystemUuid(descriptor: number): string | undefined {
  scratch.fill(0, 0, 17);
  if (libc.ioctl(descriptor, 0x80111500n, scratchPointer) !== 0) return undefined;
  const uuid = scratch.toString("hex", 1, 1 + Math.min(16, scratch[0] ?? 0));
  return /[1-9a-f]/.test(uuid) ? uuid : undefined;
}

/**
 * Asks the driver of an open file something that takes and fills a structure (ioctl).
 * @returns the structure as it was filled, until the next call; undefined where the driver does not know, or refuses.
 */
export function askDriver(descriptor: number, request: bigint, structure: Uint8Array): Buffer | undefined {
  const filled = scratch.subarray(0, structure.length);
  filled.set(structure);
  return libc.ioctl(descriptor, request, scratchPointer) < 0 ? undefined : filled; // some answer 1
}

/** Sends one datagram to a unix socket, by path or by abstract name (`@name`), without waiting. */
export function sendDatagram(address: string, message: string): void {
  const name = Buffer.from(address.startsWith("@") ? `\0${address.slice(1)}` : `${address}\0`);
  const text = Buffer.from(message);
  if (name.length > 108 || text.length > attributeListSize_bytes) throw systemCallError("sendto", "EMSGSIZE");
  how.fill(0);
  how.writeUInt16LE(unixFamily, 0);
  how.set(name, 2);
  scratch.set(text);
  const descriptor = libc.socket(unixFamily, datagramType | closeOnExec, 0);
  check("socket", descriptor);
  try {
    const withoutWaitingOrSignal = 0x40 | 0x4000;
    const length = BigInt(text.length);
    const sent = libc.sendto(descriptor, scratchPointer, length, withoutWaitingOrSignal, howPointer, 2 + name.length);
    check("sendto", Number(sent));
  } finally {
    libc.close(descriptor);
  }
}

/** Fills `facts`; false where it could not, and errno says why. */
function statx(directory: bigint, name: bigint, flags: bigint, mask = statxMask): boolean {
  return libc.syscall(statxNumber, directory, name, flags, mask, factsPointer, 0n) === 0n;
}

function statxOf(descriptor: number, mask: bigint): void {
  firstPath[0] = 0;
  if (!statx(BigInt(descriptor), firstPathPointer, emptyPath, mask)) throw systemCallError("statx", lastErrorCode());
}

function readFacts(): NodeFacts {
  const format = factsView.getUint16(28, true);
  const type = types.get(format & 0o170000) ?? "file";
  const modified_s = signed64(112);
  const [born_s, born_ns] = [signed64(80), factsView.getUint32(88, true)];
  const size = unsigned64(40);
  const inode = unsigned64(32);
  const isDevice = type === "character" || type === "block";
  return {
    type,
    mode: format & 0o7777,
    owner: factsView.getUint32(20, true),
    group: factsView.getUint32(24, true),
    size: type === "file" || type === "symlink" ? size : 0,
    modified_s,
    inode,
    born: born_s === 0 || (factsView.getUint32(0, true) & birthTime) === 0 ? "" : `${born_s}.${born_ns}`,
    device: factsView.getUint32(136, true) * 2 ** 20 + factsView.getUint32(140, true),
    links: factsView.getUint32(16, true),
    major: isDevice ? factsView.getUint32(128, true) : 0,
    minor: isDevice ? factsView.getUint32(132, true) : 0,
    // As the kernel gives them: inode and size, then ctime, then mtime. Numbers as text would cost as much as the call.
    stamp: facts.toString("base64", 32, 48) + facts.toString("base64", 96, 108) + facts.toString("base64", 112, 124),
    changed_ms: changedAt_ms(),
    mountId: unsigned64(144),
    mountRoot: (factsView.getUint32(8, true) & attributeMountRoot) !== 0,
  };
}

function changedAt_ms(): number {
  return signed64(96) * 1_000 + (factWords[26] ?? 0) / 1e6;
}

function unsigned64(offset: number): number {
  return (factWords[offset / 4 + 1] ?? 0) * 2 ** 32 + (factWords[offset / 4] ?? 0);
}

function signed64(offset: number): number {
  return ((factWords[offset / 4 + 1] ?? 0) | 0) * 2 ** 32 + (factWords[offset / 4] ?? 0);
}

function fillPath(into: Buffer, path: string, encoding: "latin1" | "utf8"): void {
  const length_bytes = encoding === "latin1" ? path.length : Buffer.byteLength(path);
  if (length_bytes >= pathLimit_bytes) throw systemCallError("path", "ENAMETOOLONG");
  if (path.includes("\0")) throw systemCallError("path", "EINVAL");
  into.write(path, 0, encoding);
  into[length_bytes] = 0;
}

function check(syscall: string, result: number): void {
  if (result < 0) throw systemCallError(syscall, lastErrorCode());
}

function lastErrorCode(): string {
  const number = ffi.getInt32(errnoPointer);
  return errorCodes.get(number) ?? `Unknown system error ${number}`;
}

function systemCallError(syscall: string, code: string): Error {
  return Object.assign(new Error(`${code}: ${syscall}`), { code, syscall });
}

function area(size_bytes: number): readonly [Buffer, bigint] {
  const buffer = Buffer.allocUnsafeSlow(size_bytes);
  return [buffer, ffi.getRawPointer(buffer)];
}

const formats: ReadonlyMap<EntryType, number> = new Map([
  ["file", 0o100000],
  ["directory", 0o040000],
  ["symlink", 0o120000],
  ["character", 0o020000],
  ["block", 0o060000],
  ["fifo", 0o010000],
  ["socket", 0o140000],
]);
const types: ReadonlyMap<number, EntryType> = new Map([...formats].map(([type, format]) => [format, type]));
/** Of two names for one number the first, as Node has it: EAGAIN, ENOTSUP. */
const errorCodes: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno)
    .toReversed()
    .map(([code, number]) => [number, code]),
);
