import { showPath, type TreePath } from "../core/entry.ts";
import type { JobMap, ManifestDifference, PackInput } from "../host/jobs.ts";
import type { JobContext } from "../host/ports.ts";
import { compose } from "./compose.ts";
import { type Change, differences, whatDiffers, whatDiffersAtAll } from "./differences.ts";
import { EntryList } from "./entry-list.ts";
import { compileExcludes } from "./excludes.ts";
import { hashFile } from "./file-hash.ts";
import { recallManifest } from "./last-manifest.ts";
import { nameLinkSets } from "./links.ts";
import { lookAtLayer } from "./look.ts";
import { readManifest, writeManifest } from "./manifest.ts";
import { comparePaths, isWithin, joinPath, sortByPath } from "./paths.ts";
import { remembered, type Seen } from "./remembered.ts";
import { scanEntries } from "./scan-layer.ts";
import type { KeptOriginal, ManifestEntry, PackEntry } from "./types.ts";

/** What a correction is told of a file whose extended attributes differ. */
export const ATTRIBUTES = "extended attributes";
const LINES_MAX = 20;
const PATHS_MAX = 1_000;

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
  const { entries } = scanEntries(context, wholeTree(input), { ...wholeOptions(input), attributes: "values" });
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
    const input = { path: file, identity, cache, manifest: "", leaveOut: [] };
    const { entries } = scanEntries(context, wholeTree(input), { ...wholeOptions(input), attributes: "values" });
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

/** What a tree holds now, against what was recorded. What stands below a mount point is not seen, so it has not changed. */
export function findDrift(context: JobContext, input: JobMap["drift"]["input"]): JobMap["drift"]["output"] {
  const { path, identity, leaveOut, manifest, looked } = input;
  const question = { what: "drift", version: 3, path, identity, leaveOut, manifest };
  // Tree and manifest as they were: the answer is as it was. The manifest is looked at before it is read.
  const stamp = context.files.stat(manifest)?.stamp ?? "";
  const sight = (seen: Seen): Seen => ({ ...seen, digest: `${seen.digest} ${stamp}` });
  const look = () => sight(lookAtLayer(context, wholeTree(input), wholeOptions(input)));
  return remembered(context, input.cache, question, looked ? sight(looked) : look(), {
    // Attributes are asked for only here: setting one changes the ctime that the look sees.
    answer: () =>
      driftOf(context, input, scanEntries(context, wholeTree(input), { ...wholeOptions(input), attributes: "values" })),
    look,
  });
}

function driftOf(
  context: JobContext,
  input: JobMap["drift"]["input"],
  { entries, mountPoints }: ReturnType<typeof scanEntries>,
): JobMap["drift"]["output"] {
  const leftOut = new Set(input.leaveOut);
  // A mount point comes before all that stands below it.
  const isHidden = (path: TreePath) => [...mountPoints].some((mountPoint) => isWithin(path, mountPoint));
  const paths: { path: TreePath; change: Change; what: string }[] = [];
  let count = 0;
  for (const each of differences(readManifest(context.files, input.manifest), entries, whatDrifted)) {
    if (leftOut.has(each.path) || (each.change !== "added" && isHidden(each.path))) continue;
    count++;
    if (paths.length < PATHS_MAX) paths.push({ path: each.path, change: each.change, what: each.what });
  }
  return { count, paths };
}

function wholeTree({ path, identity }: JobMap["record"]["input"]) {
  return { type: "tree", name: "tree", path, identity, sourceDate_s: undefined } as const;
}

function wholeOptions({ cache }: JobMap["record"]["input"]) {
  return { cache, excludes: compileExcludes([]), attributes: false, asItIs: true };
}

/** What a correction would change: attributes of a file with one name, where both sides were looked at. */
function whatDrifted(before: ManifestEntry, after: ManifestEntry): string {
  const what = whatDiffers(before, after);
  const sides = [before, after];
  const isAsked = sides.every((side) => side.attributes !== undefined && side.linkSet === "" && side.type === "file");
  if (!isAsked || before.attributes === after.attributes) return what;
  return what === "" ? ATTRIBUTES : `${what}, ${ATTRIBUTES}`;
}

const SIGNS: Readonly<Record<Change, string>> = { added: "+", removed: "-", changed: "~" };
