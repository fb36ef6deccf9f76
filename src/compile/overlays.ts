import { canonicalJson } from "../core/digest.ts";
import { showPath, type TreePath, toTreePath } from "../core/entry.ts";
import type { OverlayEntry, OverlayResource, OverlayTree, Ownership } from "../core/resource.ts";
import type { OverlaySource } from "../documents/overlays.ts";
import type { OverlaySpec } from "../documents/types.ts";
import { parseDate, parseMode, parseOwner } from "../documents/units.ts";
import type { SourceFile } from "../source/types.ts";
import { type CompileContext, type Expanded, findDocument, originOf, resourceId } from "./context.ts";
import { globMatcher, hasWildcard } from "./glob.ts";
import { rootPlace } from "./root-place.ts";

const NOBODY_ELSE: Ownership = { owner: 0, group: 0 };

/** The whole tree of one overlay: git's files, the document's nodes and directories, its rules, and implicit parents. */
export function compileOverlay(
  source: OverlaySource,
  document: Expanded<"Overlay">,
  context: CompileContext,
): OverlayTree {
  const declared = declaredEntries(source, document, context);
  const entries = applyRules(withParents(declared, document, context), document, context);
  entries.sort((left, right) => (left.path < right.path ? -1 : 1));
  const deletions = [...new Set((document.spec.delete ?? []).map(toTreePath))].sort();
  if ([...entries.map(({ path }) => path), ...deletions].some((path) => /^\.rootloom(\/|$)/.test(path))) {
    const message = `cannot lay overlay ${source.name}: \`.rootloom\` at the top of a tree holds Rootloom's own notes`;
    context.report(document, [], message, "take that path out of the overlay");
  }
  const { sourceDate, order } = document.spec;
  const tree = {
    name: source.name,
    order: order ?? source.order,
    entries,
    deletions,
    sourceDate_s: parseDate(sourceDate) ?? 0,
  };
  const withoutContent = { ...tree, entries: entries.map((entry) => ({ ...entry, content: undefined })) };
  return { ...tree, digest: context.digest(canonicalJson(withoutContent)), secret: source.secret };
}

/** `into: root`: one resource for each root that the overlay is copied into. */
export function compileLaidOverlay(
  document: Expanded<"Overlay">,
  overlay: OverlayTree,
  context: CompileContext,
): readonly OverlayResource[] {
  return (document.spec.roots ?? []).flatMap((rootName) => {
    const place = rootPlace(findDocument(context, "Root", rootName), context);
    if (place === undefined) return [];
    const name = `${overlay.name}@${rootName}`;
    return {
      id: resourceId("overlay", name),
      kind: "overlay",
      name,
      identity: `overlay:${overlay.name}@${place.path}`,
      dependsOn: [place.tree],
      origin: originOf(document),
      protect: document.spec.protect ?? false,
      onDelete: document.spec.onDelete ?? "retain",
      tree: place.tree,
      treePath: place.path,
      volumePath: place.volumePath,
      overlay,
      driftPolicy: document.spec.drift?.policy ?? context.policy.driftPolicy,
    };
  });
}

/**
 * Tree paths that are the overlay's when it is laid into a root: what it lays and what it removes. Directories
 * end in a slash: what else lies in them is still the tree's.
 */
export function laidPathsOf(overlay: OverlayTree): readonly TreePath[] {
  const laid = overlay.entries.map((entry) => (entry.type === "directory" ? `${entry.path}/` : entry.path));
  return [...laid, ...overlay.deletions];
}

type Build = Expanded<"Overlay">;
type SpecPath = readonly (string | number)[];
/** An entry and where it was declared, for problems; files of git have no place. */
interface Declared {
  readonly entry: OverlayEntry;
  readonly at: SpecPath;
}

function declaredEntries(source: OverlaySource, document: Build, context: CompileContext): Map<TreePath, Declared> {
  const { directories = [], nodes = [] } = document.spec;
  const declared = new Map<TreePath, Declared>();
  const add = (entry: OverlayEntry, at: SpecPath): void => {
    const first = declared.get(entry.path);
    if (first === undefined) declared.set(entry.path, { entry, at });
    else {
      const message = `cannot make the ${entry.type} \`${showPath(entry.path)}\`: a ${first.entry.type} of that path stands in the overlay`;
      context.report(document, at, message, "keep one of the two");
    }
  };
  for (const file of source.files) add(fromFile(file), []);
  for (const [index, directory] of directories.entries()) {
    add({ ...blank(toTreePath(directory.path), "directory"), ...attributes(directory, 0o755) }, [
      "spec",
      "directories",
      index,
    ]);
  }
  for (const [index, node] of nodes.entries()) {
    const { major = 0, minor = 0 } = node;
    const entry = { ...blank(toTreePath(node.path), node.type), ...attributes(node, 0o600), major, minor };
    add(entry, ["spec", "nodes", index]);
  }
  return declared;
}

function fromFile(file: SourceFile): OverlayEntry {
  const { path, size, sha256, content, target } = file;
  if (file.type === "symlink") return { ...blank(path, "symlink"), mode: 0o777, size: target.length, target };
  return { ...blank(path, "file"), mode: file.executable ? 0o755 : 0o644, size, sha256, content };
}

/** An explicit entry of root's, without content. */
export function blank(path: TreePath, type: OverlayEntry["type"]): OverlayEntry {
  const nothing = { size: 0, sha256: "", target: "", major: 0, minor: 0, content: "" };
  return { path, type, mode: type === "directory" ? 0o755 : 0o600, ...NOBODY_ELSE, ...nothing, explicit: true };
}

function attributes(at: { owner?: string; mode?: string }, mode: number): Ownership & { mode: number } {
  return { ...(parseOwner(at.owner) ?? NOBODY_ELSE), mode: parseMode(at.mode) ?? mode };
}

/** Every parent is a directory: one that is not declared becomes an implicit one. */
function withParents(
  declared: ReadonlyMap<TreePath, Declared>,
  document: Build,
  context: CompileContext,
): OverlayEntry[] {
  const entries = new Map([...declared].map(([path, { entry }]) => [path, entry]));
  for (const { entry, at } of declared.values()) {
    for (const parent of parentsOf(entry.path)) {
      const known = entries.get(parent);
      if (known === undefined) entries.set(parent, { ...blank(parent, "directory"), explicit: false });
      else if (known.type !== "directory") {
        const message = `cannot make \`${showPath(entry.path)}\`: \`${showPath(parent)}\` is a ${known.type} in the same overlay`;
        context.report(document, at, message, "make it a directory, or move what is below it");
      }
    }
  }
  return [...entries.values()];
}

/** The directories that a path lies in, the top's first. */
export function parentsOf(path: TreePath): readonly TreePath[] {
  const names = path.split("/").slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}

interface Rule {
  readonly path: string;
  readonly matches: (path: TreePath) => boolean;
  readonly wildcard: boolean;
  readonly ownership: Ownership | undefined;
  readonly mode: number | undefined;
}

/**
 * First match from the top wins for each of owner and mode. A pattern with a wildcard gives no mode to
 * directories (0600 on all below would lock them) and leaves implicit ones implicit; a literal path speaks of just that one.
 */
function applyRules(entries: readonly OverlayEntry[], document: Build, context: CompileContext): OverlayEntry[] {
  const rules = (document.spec.rules ?? []).map(toRule);
  const used = new Set<Rule>();
  const ruled = entries.map((entry) => {
    const matching = rules.filter((rule) => rule.matches(entry.path));
    for (const rule of matching) used.add(rule);
    const directory = entry.type === "directory";
    const ownership = matching.find((rule) => rule.ownership !== undefined)?.ownership;
    const mode = matching.find((rule) => rule.mode !== undefined && !(directory && rule.wildcard))?.mode;
    return {
      ...entry,
      ...ownership,
      mode: mode === undefined || entry.type === "symlink" ? entry.mode : mode,
      explicit: entry.explicit || matching.some((rule) => !rule.wildcard),
    };
  });
  for (const [index, rule] of rules.entries()) {
    if (used.has(rule)) continue;
    const message = `cannot use the rule for \`${rule.path}\`: it matches nothing in overlay ${document.name}`;
    context.report(document, ["spec", "rules", index, "path"], message, "correct the path, or remove the rule");
  }
  return ruled;
}

function toRule({ path, owner, mode }: NonNullable<OverlaySpec["rules"]>[number]): Rule {
  return {
    path,
    matches: globMatcher(toTreePath(path)),
    wildcard: hasWildcard(path),
    ownership: parseOwner(owner),
    mode: parseMode(mode),
  };
}
