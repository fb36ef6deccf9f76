import type { Files } from "../host/ports.ts";

/** How many entries a directory holds and their size; a file with several names counts once. */
export function measure(files: Files, path: string): { readonly entries: number; readonly size_bytes: number } {
  const linked = new Set<string>();
  let entries = 0;
  let size_bytes = 0;
  for (const { type, size, links, device, inode } of files.scan(path)) {
    entries++;
    if (type !== "file") continue;
    if (links > 1) {
      const identity = `${device}:${inode}`;
      if (linked.has(identity)) continue;
      linked.add(identity);
    }
    size_bytes += size;
  }
  return { entries, size_bytes };
}
