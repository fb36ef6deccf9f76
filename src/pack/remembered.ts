import { hash } from "node:crypto";
import type { TreePath } from "../core/entry.ts";
import type { JobContext } from "../host/ports.ts";
import { openBeside } from "./beside.ts";
import { noteUse } from "./used.ts";

const FIRST_LINE = /^# rootloom answer 1 ([0-9a-f]{64})$/;

/** A sight of a tree, and whether it can be trusted to stay. */
export interface Seen {
  readonly digest: string;
  /** False when something changed too short a time before the walk: it can change again within one tick of ctime. */
  readonly settled: boolean;
  /** What it is put together from: what stands near the top, by an empty path, and each directory below that. */
  readonly parts: readonly SeenPart[];
  /** Number of the walk, of a sight that a pass has: what was found behind it is the pass's answer, too, where it is asked again. */
  readonly walk?: number | undefined;
}

/** A sight of a directory with all that is in it and in no other part. */
export interface SeenPart {
  readonly path: TreePath;
  readonly digest: string;
  readonly settled: boolean;
}

/** One share of a sight that several walkers have together; see `Glance`. */
export interface SeenShare {
  readonly upper: SeenPart;
  readonly parts: readonly SeenPart[];
  readonly expected: number;
}

/**
 * The answer to a question about a tree: the one that was given for exactly this sight of it, else a new one, which is kept
 * where the tree looks the same behind the answer as before it. One file a question, `CACHE/answers/DIGEST`; a damaged
 * one counts as none.
 * @param question names tree, excludes and all else that the answer depends on, but for what is seen.
 */
export async function remembered<T>(
  context: Pick<JobContext, "files" | "now_ms">,
  cache: string,
  question: object,
  seen: Seen,
  { answer, look }: { readonly answer: () => T | Promise<T>; readonly look: () => Seen },
): Promise<T> {
  const path = `${cache}/answers/${hash("sha256", JSON.stringify(question))}`;
  const known = load(context, path);
  if (known !== undefined && known.seen === seen.digest) {
    noteUse(context.files, path, context.now_ms());
    return known.answer as T;
  }
  const found = await answer();
  if (seen.settled && look().digest === seen.digest) save(context, path, { seen: seen.digest, answer: found });
  return found;
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
