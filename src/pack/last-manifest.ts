import type { Files } from "../host/ports.ts";
import type { EntryList } from "./entry-list.ts";
import { fileKey } from "./last-image.ts";

const MANIFESTS_MAX = 4;
/** Of one manifest: larger ones are read again. */
const ENTRIES_MAX = 500_000;

/** What this thread has written into manifests, by the files that it wrote them through, and what each file was then. */
const memory = new WeakMap<Files, Map<string, EntryList>>();

export function keepManifest(files: Files, path: string, entries: EntryList): void {
  const stat = files.stat(path);
  if (stat === undefined || entries.length > ENTRIES_MAX) return;
  const written = memory.get(files) ?? new Map<string, EntryList>();
  memory.set(files, written);
  written.set(fileKey(stat), entries);
  for (const oldest of [...written.keys()].slice(0, -MANIFESTS_MAX)) written.delete(oldest);
}

/** The entries of a manifest that this thread has written, while its file is the one that it wrote; to read it takes longer. */
export function recallManifest(files: Files, path: string): EntryList | undefined {
  const stat = files.stat(path);
  return stat && memory.get(files)?.get(fileKey(stat));
}
