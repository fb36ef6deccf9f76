import type { Entry, TreePath } from "../../core/entry.ts";
import { asRootloomError } from "../../core/error.ts";
import type { FileStat, TreeHandle } from "../../host/ports.ts";
import type { LaidEntry, LaidList, LaidPlace } from "./laid.ts";
import type { OwnedEntry } from "./owners.ts";

export type EntryState = "absent" | "missing" | "outdated" | "edited" | "foreign" | "unlisted" | "refused";

/** What one entry of an overlay meets in the root. */
export interface Inspection {
  readonly entry: OwnedEntry;
  /** undefined: as declared. */
  readonly state: EntryState | undefined;
  /** `content`, `mode is 0600, 0644 is declared`; for `refused` the reason. */
  readonly what: readonly string[];
  /** Where the entry leads when directory symlinks are followed. */
  readonly at: TreePath;
  readonly standing: FileStat | undefined;
  readonly standingTarget: string;
  readonly listed: LaidEntry | undefined;
}

/** What is compared. Times are not. */
export type Facts = Pick<Entry, "type" | "mode" | "owner" | "group" | "sha256" | "target" | "major" | "minor">;

export interface Inspector {
  readonly tree: TreeHandle;
  /** sha256 of a file of the tree, from a cache where its stamp is known. */
  readonly sha256: (path: TreePath, stat: FileStat) => string;
  readonly listed: ReadonlyMap<TreePath, LaidEntry>;
  /** False while a laying was interrupted: what differs is then our own half-done work. */
  readonly finished: boolean;
  readonly deletions: readonly TreePath[];
}

/** Compares one entry with what stands in the root; never throws for what it finds there. */
export function inspectEntry(inspector: Inspector, entry: OwnedEntry): Inspection {
  const nothing = { entry, what: [], at: entry.path, standing: undefined, standingTarget: "" };
  const listed = inspector.listed.get(entry.path);
  if (isOurOwn(entry.path)) return { ...nothing, listed, state: "refused", what: ["the path is Rootloom's own"] };
  try {
    const at = locate(inspector.tree, entry);
    const standing = at === undefined ? undefined : inspector.tree.stat(at);
    if (at === undefined || standing === undefined) {
      return { ...nothing, at: at ?? entry.path, listed, state: listed?.made ? "missing" : "absent" };
    }
    const standingTarget = standing.type === "symlink" ? inspector.tree.readLink(at) : "";
    return judge(inspector, { ...nothing, at, listed, standing, standingTarget, state: undefined }, standing);
  } catch (thrown) {
    return { ...nothing, listed, state: "refused", what: [asRootloomError(thrown).message] };
  }
}

/** `.rootloom` of a volume that is itself a root. */
export function isOurOwn(path: TreePath): boolean {
  return path === ".rootloom" || path.startsWith(".rootloom/");
}

export function isBelow(path: TreePath, top: TreePath): boolean {
  return path === top || path.startsWith(`${top}/`);
}

/** Facts that differ between what stands there and what is wanted; empty when they are the same. */
export function differences(
  wanted: Facts,
  standing: FileStat,
  standingTarget: string,
  sha256: () => string,
): readonly string[] {
  if (standing.type !== wanted.type) return [`it is a ${standing.type}, a ${wanted.type} is declared`];
  const found: string[] = [];
  if (wanted.type === "file" && sha256() !== wanted.sha256) found.push("content");
  if (wanted.type === "symlink" && standingTarget !== wanted.target) found.push("target");
  const device = wanted.type === "character" || wanted.type === "block";
  if (device && (standing.major !== wanted.major || standing.minor !== wanted.minor)) found.push("device");
  if (wanted.type !== "symlink" && standing.mode !== wanted.mode) {
    found.push(`mode is ${octal(standing.mode)}, ${octal(wanted.mode)} is declared`);
  }
  if (standing.owner !== wanted.owner || standing.group !== wanted.group) {
    found.push(`owner is ${standing.owner}:${standing.group}, ${wanted.owner}:${wanted.group} is declared`);
  }
  return found;
}

/** Paths that another overlay of a higher order laid in the same root. */
export function shadowedPaths(list: LaidList, place: LaidPlace, order: number): ReadonlySet<TreePath> {
  const shadowed = new Set<TreePath>();
  for (const [name, laid] of Object.entries(list.overlays)) {
    const higher = laid.order > order || (laid.order === order && name > place.overlay);
    if (name === place.overlay || !higher) continue;
    for (const entry of laid.entries) if (entry.type !== "directory") shadowed.add(entry.path);
    for (const deletion of laid.deletions) shadowed.add(deletion.path);
  }
  return shadowed;
}

function judge(inspector: Inspector, found: Inspection, standing: FileStat): Inspection {
  const { entry, listed } = found;
  const sha256 = (): string => inspector.sha256(found.at, standing);
  // A directory that only leads to files is anybody's, but one that a kill caught between its making and its mode is ours.
  const halfMade = listed?.made === true && !inspector.finished;
  if (entry.type === "directory" && !entry.explicit && standing.type === "directory" && !halfMade) return found;
  const what = differences(entry, standing, found.standingTarget, sha256);
  if (what.length === 0) {
    return { ...found, state: listed !== undefined && sameFacts(listed, entry) ? undefined : "unlisted" };
  }
  const directories = (standing.type === "directory" ? 1 : 0) + (entry.type === "directory" ? 1 : 0);
  if (directories === 1 && !inspector.deletions.some((deletion) => isBelow(entry.path, deletion))) {
    return { ...found, state: "refused", what: [`a ${standing.type} stands there, a ${entry.type} is declared`] };
  }
  if (listed === undefined) return { ...found, state: "foreign", what };
  const asLaid = differences(listed, standing, found.standingTarget, sha256).length === 0;
  return { ...found, state: asLaid || !inspector.finished ? "outdated" : "edited", what };
}

/** Directories are followed through links to where they really are; all else is looked at as it is. */
function locate(tree: TreeHandle, entry: OwnedEntry): TreePath | undefined {
  const at = tree.resolve(entry.path);
  if (at === undefined || entry.type !== "directory" || tree.stat(at)?.type !== "symlink") return at;
  const inside = tree.resolve(`${entry.path}/x`);
  // A link that leads to no directory is then seen as the link that it is, and refused.
  return inside === undefined ? at : inside.slice(0, Math.max(0, inside.lastIndexOf("/")));
}

function sameFacts(listed: LaidEntry, entry: OwnedEntry): boolean {
  return (
    listed.type === entry.type &&
    listed.mode === entry.mode &&
    listed.owner === entry.owner &&
    listed.group === entry.group &&
    listed.sha256 === entry.sha256 &&
    listed.target === entry.target &&
    listed.major === entry.major &&
    listed.minor === entry.minor
  );
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
