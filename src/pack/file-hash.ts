import { toTreePath } from "../core/entry.ts";
import type { JobMap } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { hashContent } from "./content.ts";
import { openHashCache } from "./hash-cache.ts";

/** sha256 and size of one file; undefined when there is none, or it is no regular file. */
export function hashFile(
  context: Pick<JobContext, "files" | "now_ms">,
  input: JobMap["hash"]["input"],
): JobMap["hash"]["output"] {
  const { files, now_ms } = context;
  const stat = files.stat(input.path);
  if (stat?.type !== "file") return undefined;
  const hashes = openHashCache(files, input.cache, "files");
  const keyOf = (stamp: string) => JSON.stringify([input.path, stamp]);
  if (input.written !== undefined) {
    // The rule of two seconds is for what others may change while it is read; nobody else writes what we make.
    hashes.set(keyOf(stat.stamp), input.written, { ...stat, changed_ms: 0 }, now_ms());
    hashes.save();
    return { sha256: input.written, size_bytes: stat.size };
  }
  const known = input.trustCache ? hashes.get(keyOf(stat.stamp)) : undefined;
  if (known !== undefined) return { sha256: known, size_bytes: stat.size };
  const start_ms = now_ms();
  const hashed = hashContent(() => files.openReader(input.path), toTreePath(input.path.slice(1)));
  hashes.set(keyOf(hashed.stat.stamp), hashed.sha256, hashed.stat, start_ms);
  hashes.save();
  return { sha256: hashed.sha256, size_bytes: hashed.stat.size };
}
