import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsync,
  fsyncSync,
  futimesSync,
  openSync,
  readSync,
  write,
  writeSync,
} from "node:fs";
import type { Attributes, Reader, Writer } from "../ports.ts";
import { errorCode } from "./failure.ts";
import { beginWriting, cloneStart, copyRange, openNoAccessTime, seekTo, statDescriptor } from "./system-calls.ts";

export const chunk_bytes = 1024 * 1024;

/** Writes all of `bytes`, however the kernel cuts it. */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(descriptor, bytes, done, bytes.length - done);
}

/** Copies a whole open file to another, from its start. */
export function copyAll(from: number, to: number): void {
  const buffer = Buffer.allocUnsafe(chunk_bytes);
  for (let position = 0; ; ) {
    const length = readSync(from, buffer, 0, buffer.length, position);
    if (length === 0) return;
    writeAll(to, buffer.subarray(0, length));
    position += length;
  }
}

/** All bytes of an open file, in lower-case hex sha256. */
export function hashDescriptor(descriptor: number): string {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(chunk_bytes);
  for (let position = 0; ; ) {
    const length = readSync(descriptor, buffer, 0, buffer.length, position);
    if (length === 0) return hash.digest("hex");
    hash.update(buffer.subarray(0, length));
    position += length;
  }
}

/** All bytes of an open file, also where it grows meanwhile or the kernel does not tell its size. */
export function readAll(descriptor: number): Uint8Array {
  let buffer = Buffer.allocUnsafe(Math.max(4_096, statDescriptor(descriptor).size + 1));
  for (let filled = 0; ; ) {
    const length = readSync(descriptor, buffer, filled, buffer.length - filled, filled);
    if (length === 0) return buffer.subarray(0, filled);
    filled += length;
    const more_bytes = Math.max(chunk_bytes, buffer.length);
    if (filled === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(more_bytes)]);
  }
}

/**
 * Owner, mode and time of an open file. The owner goes first: a change of owner clears the set-user-id bit.
 * The owner is left alone where it is right, so that an ordinary user can write own files.
 */
export function setDescriptorAttributes(descriptor: number, attributes: Attributes): void {
  const facts = statDescriptor(descriptor);
  if (facts.owner !== attributes.owner || facts.group !== attributes.group) {
    fchownSync(descriptor, attributes.owner, attributes.group);
  }
  fchmodSync(descriptor, attributes.mode);
  if (attributes.modified_s !== undefined) futimesSync(descriptor, attributes.modified_s, attributes.modified_s);
}

/**
 * Runs `open` with flags to read a file: without touching its access time where we may (the owner and
 * root may), never waiting for the other end of a fifo, and refusing all but regular files.
 */
export function openToRead(open: (flags: number) => number): number {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
  const descriptor = openWithoutAccessTime(open, flags);
  try {
    const { type } = statDescriptor(descriptor);
    if (type === "file") return descriptor;
    throw Object.assign(new Error(`it is a ${type}, not a regular file`), { code: "EFTYPE" });
  } catch (thrown) {
    closeSync(descriptor);
    throw thrown;
  }
}

function openWithoutAccessTime(open: (flags: number) => number, flags: number): number {
  try {
    return open(flags | openNoAccessTime);
  } catch (thrown) {
    if (errorCode(thrown) !== "EPERM") throw thrown;
    return open(flags);
  }
}

export function readerOf(descriptor: number): Reader {
  let open = true;
  return {
    read: (into, position) => readSync(descriptor, into, 0, into.length, position),
    stat: () => statDescriptor(descriptor),
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}

/** fsync on another thread. */
function syncLater(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => fsync(descriptor, (error) => (error ? reject(error) : resolve())));
}

/** One write on another thread, where the file stands; how many bytes it took. */
function writeOnce(descriptor: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) =>
    write(descriptor, bytes, 0, bytes.length, null, (error, written) => (error ? reject(error) : resolve(written))),
  );
}

const block_bytes = 65_536;
/** What is copied before the disk is told to begin with it: then there is little to wait for at the end. */
const stride_bytes = 8 << 20;

/** The first bytes of one open file into another, empty one, which is then positioned behind them. */
function copyStart(from: number, to: number, length_bytes: number): "reflink" | "copy" {
  const whole_bytes = length_bytes - (length_bytes % block_bytes);
  const isShared = whole_bytes > 0 && cloneStart(from, to, whole_bytes);
  for (let done = isShared ? whole_bytes : 0; done < length_bytes; ) {
    const copied = copyRange(from, to, done, Math.min(stride_bytes, length_bytes - done));
    beginWriting(to, done, copied);
    if (copied === 0) throw Object.assign(new Error("the file ends too early"), { code: "EIO" });
    done += copied;
  }
  seekTo(to, length_bytes);
  return isShared ? "reflink" : "copy";
}

/** @param mode exact permission bits, whatever the umask. */
export function writerOf(path: string, mode: number): Writer {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  const descriptor = openSync(path, flags, mode);
  fchmodSync(descriptor, mode);
  let written_bytes = 0;
  let open = true;
  return {
    write(bytes) {
      writeAll(descriptor, bytes);
      written_bytes += bytes.length;
    },
    async writeLater(bytes) {
      for (let done = 0; done < bytes.length; ) done += await writeOnce(descriptor, bytes.subarray(done));
      written_bytes += bytes.length;
    },
    sync: () => fsyncSync(descriptor),
    syncLater: () => syncLater(descriptor),
    startWith(other, length_bytes) {
      const from = openToRead((readFlags) => openSync(other, readFlags));
      try {
        const how = copyStart(from, descriptor, length_bytes);
        written_bytes += length_bytes;
        return how;
      } finally {
        closeSync(from);
      }
    },
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
    get bytes() {
      return written_bytes;
    },
  };
}
