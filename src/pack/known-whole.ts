import type { Files } from "../host/ports.ts";

/** Above that, all are forgotten: each is then read once more. */
const SEGMENTS_MAX = 20_000;

/** Stamps of segments by their paths, and by the files that they were written and read through. */
const memory = new WeakMap<Files, Map<string, string>>();

/** Whether this thread has written a segment, or read all of it and found its digest right, and nobody has touched it since. */
export function isKnownWhole(files: Files, path: string): boolean {
  const known = memory.get(files)?.get(path);
  return known !== undefined && files.stat(path)?.stamp === known;
}

export function noteWhole(files: Files, path: string): void {
  const stamp = files.stat(path)?.stamp;
  if (stamp === undefined) return;
  const known = memory.get(files) ?? new Map<string, string>();
  memory.set(files, known);
  if (known.size >= SEGMENTS_MAX) known.clear();
  known.set(path, stamp);
}
