import { createHash, hash } from "node:crypto";
import type { JobContext, ScannedEntry } from "../host/ports.ts";
import { openBeside } from "./beside.ts";
import { SETTLED_AFTER_MS } from "./hash-cache.ts";
import { noteUse } from "./used.ts";

const FIRST_LINE = /^# rootloom answer 1 ([0-9a-f]{64})$/;
const CHUNK_BYTES = 1 << 17;
/** Beside a path and a stamp. */
const SPARE_BYTES = 16;

/** What one walk of a tree saw. While the digest is the same, so is everything that the walk can tell. */
export interface Seen {
  /** Of each node's path and stamp, and of where mounts begin. */
  readonly digest: string;
  /** False when something changed too short a time before the walk: it can change again within one tick of ctime. */
  readonly settled: boolean;
}

/** Fed with what a walk finds, in its order. */
export class Fingerprint {
  readonly #hash = createHash("sha256");
  readonly #start_ms: number;
  readonly #buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  #length = 0;
  #settled = true;

  /** @param start_ms the time before the walk. */
  constructor(start_ms: number) {
    this.#start_ms = start_ms;
  }

  add({ path, stamp, mountPoint, changed_ms }: ScannedEntry): void {
    if (this.#length + path.length + stamp.length + SPARE_BYTES > CHUNK_BYTES) this.#flush();
    this.#write(path);
    this.#write(mountPoint ? "\0mount\0" : "\0");
    this.#write(stamp);
    this.#write("\n");
    if (changed_ms + SETTLED_AFTER_MS > this.#start_ms) this.#settled = false;
  }

  /** An entry turned out to be another one than the walk saw. */
  unsettle(): void {
    this.#settled = false;
  }

  finish(): Seen {
    this.#flush();
    return { digest: this.#hash.digest("hex"), settled: this.#settled };
  }

  #write(text: string): void {
    this.#length += this.#buffer.write(text, this.#length, "latin1");
  }

  #flush(): void {
    this.#hash.update(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
  }
}

/**
 * The answer to a question about a tree: the one that was given for exactly this sight of it, else a new one. One file
 * a question, `CACHE/answers/DIGEST`; a damaged one counts as none.
 * @param question names tree, excludes and all else that the answer depends on, but for what was seen.
 * @param answer also tells what its own walk saw, for the tree may have changed since.
 */
export function remembered<T>(
  context: Pick<JobContext, "files" | "now_ms">,
  cache: string,
  question: object,
  seen: Seen,
  answer: () => { readonly answer: T; readonly seen: Seen },
): T {
  const path = `${cache}/answers/${hash("sha256", JSON.stringify(question))}`;
  const known = load(context, path);
  if (known !== undefined && known.seen === seen.digest) {
    noteUse(context.files, path, context.now_ms());
    return known.answer as T;
  }
  const found = answer();
  if (found.seen.settled) save(context, path, { seen: found.seen.digest, answer: found.answer });
  return found.answer;
}

interface Kept {
  readonly seen: string;
  readonly answer: unknown;
}

function load({ files }: Pick<JobContext, "files">, path: string): Kept | undefined {
  const text = files.readText(path);
  if (text === undefined) return undefined;
  const end = text.indexOf("\n");
  const digest = FIRST_LINE.exec(text.slice(0, Math.max(0, end)))?.[1];
  const body = text.slice(end + 1);
  return digest !== undefined && digest === hash("sha256", body) ? (JSON.parse(body) as Kept) : undefined;
}

function save({ files }: Pick<JobContext, "files">, path: string, kept: Kept): void {
  const body = JSON.stringify(kept);
  files.makeDirectories(path.slice(0, path.lastIndexOf("/")), 0o700);
  const output = openBeside(files, path, 0o600);
  try {
    output.writer.write(Buffer.from(`# rootloom answer 1 ${hash("sha256", body)}\n${body}`));
    output.commitUnsynced();
  } catch (thrown) {
    output.discard();
    throw thrown;
  }
}
