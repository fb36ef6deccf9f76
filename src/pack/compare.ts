import { showPath, type TreePath } from "../core/entry.ts";
import type { JobMap, ManifestDifference, PackInput } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { compose } from "./compose.ts";
import { type Change, differences, whatDiffersAtAll } from "./differences.ts";
import { EntryList } from "./entry-list.ts";
import { hashFile } from "./file-hash.ts";
import { recallManifest } from "./last-manifest.ts";
import { nameLinkSets } from "./links.ts";
import { readManifest, writeManifest } from "./manifest.ts";
import { comparePaths, joinPath, sortByPath } from "./paths.ts";
import type { KeptOriginal, ManifestEntry, PackEntry } from "./types.ts";
import { scanWhole } from "./whole-scan.ts";

const LINES_MAX = 20;

/** What an image would hold now, against what an earlier generation of it holds. */
export async function compareWithManifest(
  context: JobContext,
  input: PackInput & { readonly manifest: string },
): Promise<ManifestDifference> {
  const { entries } = await compose(context, input, { attributes: false });
  const counts = { added: 0, removed: 0, changed: 0 };
  const lines: string[] = [];
  const kept = recallManifest(context.files, input.manifest)?.entries;
  const before = kept?.without(entries) ?? readManifest(context.files, input.manifest);
  for (const each of differences<ManifestEntry>(before, kept ? entries.without(kept) : entries, whatDiffersAtAll)) {
    counts[each.change]++;
    const detail = each.change === "changed" ? ` (${each.what})` : "";
    if (lines.length < LINES_MAX) lines.push(`${SIGNS[each.change]} /${showPath(each.path)}${detail}`);
  }
  return { ...counts, lines };
}

/** Writes what a tree holds now, all of it. */
export function recordTree(context: JobContext, input: JobMap["record"]["input"]): JobMap["record"]["output"] {
  const { entries } = scanWhole(context, input);
  const originals = sortByPath((input.originals ?? []).flatMap((original) => entriesOf(context, input, original)));
  const leftOut = new Set([...input.leaveOut, ...originals.map(({ path }) => path)]);
  const kept = nameLinkSets(EntryList.of(withOriginals(without(entries, leftOut), originals)));
  const written = writeManifest(context.files, input.manifest, kept, "record");
  return { digest: written.sha256, entries: kept.length, size_bytes: written.size_bytes };
}

function* without(entries: Iterable<PackEntry>, leftOut: ReadonlySet<TreePath>): Generator<PackEntry> {
  for (const entry of entries) if (!leftOut.has(entry.path)) yield entry;
}

/** Two sorted lists as one. */
function* withOriginals(entries: Iterable<PackEntry>, originals: readonly PackEntry[]): Generator<PackEntry> {
  let next = 0;
  for (const entry of entries) {
    for (let original = originals[next]; original && comparePaths(original.path, entry.path) < 0; ) {
      yield original;
      original = originals[++next];
    }
    yield entry;
  }
  yield* originals.slice(next);
}

/** An original as the tree would hold it, with all that is in a directory. */
function entriesOf(
  context: JobContext,
  { cache, identity }: JobMap["record"]["input"],
  { file, ...facts }: KeptOriginal,
): readonly PackEntry[] {
  const { type, path } = facts;
  if (type === "directory" && file !== "") {
    const { entries } = scanWhole(context, { path: file, identity, cache });
    return Array.from(entries, (entry) => ({
      ...entry,
      path: entry.path === "" ? path : joinPath(path, entry.path),
    }));
  }
  const content = type === "file" ? hashFile(context, { path: file, cache, trustCache: false }) : undefined;
  const size = type === "symlink" ? facts.target.length : (content?.size_bytes ?? 0);
  const rest = { linkSet: "", layer: "tree", attributes: "", place: 0, source: undefined };
  return [{ ...facts, size, sha256: content?.sha256 ?? "", ...rest }];
}

const SIGNS: Readonly<Record<Change, string>> = { added: "+", removed: "-", changed: "~" };
