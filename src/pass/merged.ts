import { type MergedContents, mergedKey } from "../compile/context.ts";
import { toTreePath } from "../core/entry.ts";
import { expandDocuments } from "../documents/expand.ts";
import type { Document } from "../documents/types.ts";
import type { Host } from "../host/ports.ts";
import { keepMerged } from "../source/blobs.ts";
import type { Snapshot } from "../source/types.ts";

/** A configuration file of a root is a text for people; anything larger belongs into an overlay. */
const MERGED_MAX_BYTES = 1024 ** 2;

/**
 * Joins the parts of each file that a root's provisioning puts together. What they give stands in `CACHE/merged/SHA256`, 0600.
 * One whose parts are not there, no plain files or too large is left out: `compile` reports it at its place.
 */
export function mergeFiles(
  host: Host,
  cache: string,
  documents: readonly Document[],
  snapshot: Snapshot,
): MergedContents {
  const found = new Map<string, ReturnType<typeof keepMerged>>();
  if (!documents.some((document) => document.kind === "Root" && document.spec.provision?.files !== undefined))
    return found;
  const sources = new Map(snapshot.files.map((file) => [file.path, file]));
  const read = (path: string): Uint8Array | undefined => {
    const file = sources.get(toTreePath(path));
    if (file?.type !== "file" || file.size > MERGED_MAX_BYTES) return undefined;
    const text = snapshot.texts.get(file.path);
    return text === undefined ? host.files.readBytes(file.content) : new TextEncoder().encode(text);
  };
  for (const document of expandDocuments(documents).documents) {
    if (document.kind !== "Root") continue;
    for (const { from } of document.spec.provision?.files ?? []) {
      const parts = from.flatMap((path) => read(path) ?? []);
      const joined = Buffer.concat(parts);
      if (parts.length !== from.length || joined.length > MERGED_MAX_BYTES) continue;
      found.set(mergedKey(from), keepMerged(host, cache, joined));
    }
  }
  return found;
}
