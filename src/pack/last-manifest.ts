import type { Files } from "../host/ports.ts";
import type { EntryList } from "./entry-list.ts";
import { fileKey } from "./last-image.ts";

const MANIFESTS_MAX = 4;
/** Of one manifest: larger ones are read again. */
const ENTRIES_MAX = 500_000;

/** A manifest as it was written. */
export interface KeptManifest {
  readonly entries: EntryList;
  /** Of each entry's line, and of the last line, where it begins in the file. */
  readonly offsets: Uint32Array;
}

/** What this thread has written into manifests, by the files that it wrote them through, and what each file was then. */
const memory = new WeakMap<Files, Map<string, KeptManifest>>();

export function keepManifest(files: Files, path: string, manifest: KeptManifest): void {
  const stat = files.stat(path);
  if (stat === undefined || manifest.entries.length > ENTRIES_MAX) return;
  const written = memory.get(files) ?? new Map<string, KeptManifest>();
  memory.set(files, written);
  written.set(fileKey(stat), manifest);
  for (const oldest of [...written.keys()].slice(0, -MANIFESTS_MAX)) written.delete(oldest);
}

/** A manifest that this thread has written, while its file is the one that it wrote; to read it takes longer. */
export function recallManifest(files: Files, path: string): KeptManifest | undefined {
  const stat = files.stat(path);
  return stat && memory.get(files)?.get(fileKey(stat));
}
