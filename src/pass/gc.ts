import type { Files } from "../host/ports.ts";
import type { Session } from "./types.ts";

/** Caches whose files can be made again from git and the roots. Kept sources are none: managed roots are restored from them. */
const COLLECTED = ["segments", "blobs", "trees", "hashes"] as const;

/**
 * Removes files of the caches that were written more than `age_days` ago; the next pass makes again
 * what it needs. Generations of artifacts are not touched here: packing keeps as many as are declared.
 */
export function collectCache(
  session: Session,
  given: { readonly age_days: number; readonly dryRun: boolean },
): readonly string[] {
  const { files, clock } = session.host;
  const before_s = clock.now_ms() / 1000 - given.age_days * 86_400;
  return COLLECTED.map((name) => {
    const old = filesBelow(files, `${session.configuration.cache}/${name}`).filter(
      (file) => file.modified_s < before_s,
    );
    const size_bytes = old.reduce((sum, file) => sum + file.size, 0);
    if (!given.dryRun) for (const file of old) files.removeFile(file.path);
    const verb = given.dryRun ? "would be removed" : "removed";
    return `${name}: ${old.length} files ${verb} (${Math.round(size_bytes / 1024)} KiB)`;
  });
}

function filesBelow(files: Files, directory: string): readonly { path: string; size: number; modified_s: number }[] {
  return (files.list(directory) ?? []).flatMap((name) => {
    const path = `${directory}/${name}`;
    const stat = files.stat(path);
    if (stat?.type === "directory") return filesBelow(files, path);
    return stat?.type === "file" ? [{ path, size: stat.size, modified_s: stat.modified_s }] : [];
  });
}
