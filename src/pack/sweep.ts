import type { Files } from "../host/ports.ts";

/** The cache may always be this large, however small the images are. */
const CACHE_BYTES_MIN = 4 * 2 ** 30;
/** Above that it holds the segments of this many images of the size just packed. */
const IMAGES_KEPT = 4;
/** Nobody writes one segment for a day. */
const PARTIAL_AGE_S = 86_400;

interface CachedFile {
  readonly path: string;
  readonly size: number;
  readonly modified_s: number;
}

/** Keeps the segment cache within its limit: the oldest segments that the image just packed does not use go first. */
export function sweepSegments(
  files: Files,
  cache: string,
  used: ReadonlySet<string>,
  image_bytes: number,
  now_s: number,
): void {
  const limit_bytes = Math.max(CACHE_BYTES_MIN, IMAGES_KEPT * image_bytes);
  const cached = listCache(files, `${cache}/segments`);
  let total_bytes = cached.reduce((sum, { size }) => sum + size, 0);
  for (const file of cached.sort((a, b) => a.modified_s - b.modified_s)) {
    const isStale = file.path.endsWith(".partial") && file.modified_s + PARTIAL_AGE_S < now_s;
    if (!isStale && (total_bytes <= limit_bytes || used.has(file.path) || file.path.endsWith(".partial"))) continue;
    files.removeFile(file.path);
    total_bytes -= file.size;
  }
}

function listCache(files: Files, directory: string): CachedFile[] {
  const cached: CachedFile[] = [];
  for (const folder of files.list(directory) ?? []) {
    for (const name of files.list(`${directory}/${folder}`) ?? []) {
      const path = `${directory}/${folder}/${name}`;
      const stat = files.stat(path);
      if (stat?.type === "file") cached.push({ path, size: stat.size, modified_s: stat.modified_s });
    }
  }
  return cached;
}
