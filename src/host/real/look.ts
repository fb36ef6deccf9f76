import { closeSync, constants } from "node:fs";
import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { Glance, GlancePart, LookOptions } from "../ports.ts";
import { failure, isMissing } from "./failure.ts";
import { LookRecords } from "./look-records.ts";
import { holding, openDirectory } from "./paths.ts";
import { openBelow, resolveFlags, statDescriptor, visitNodes } from "./system-calls.ts";

const onlyDown = resolveFlags.beneath | resolveFlags.noXdev | resolveFlags.noSymlinks;
const toList = constants.O_RDONLY | constants.O_DIRECTORY;

/** How deep a directory lies, at most, that one of those who walk together takes as a whole: `usr/share/doc`. */
const part_depth = 3;
/**
 * Links of a flat directory, one without directories in it: its name and its own dot. It is a part of its own wherever it lies.
 * btrfs counts none, and says 1 of all; where 2 is said of all (some network filesystems), parts are larger and otherwise the same.
 */
const links_ofFlat = 2;

/** A directory that is walked by itself, with the views that enter it. */
interface Part {
  readonly path: TreePath;
  readonly views: readonly View[];
}

/**
 * Walks a tree as `scanTree` does and makes nothing of it but digests, of all names, stamps and mount points in the order
 * in which the kernel lists them: some 3 us a node, nearly all of it the kernel's. With a `turn`, which is shared with
 * others who walk the same tree with the same views, each takes the parts that no other has taken.
 * @throws RootloomError, transient where a directory vanished meanwhile.
 */
export function lookAtTree(treePath: string, options: readonly LookOptions[], turn?: Int32Array): readonly Glance[] {
  try {
    return holding(openDirectory(treePath), (tree) => {
      const views = options.map((view) => new View(view));
      const parts: Part[] = [];
      const walk = { treePath, records: new LookRecords<View>() };
      lookAtUpper(walk, tree, views, parts);
      for (let own = 0, number = take(turn, own++); number < parts.length; number = take(turn, own++))
        lookAtPart(walk, tree, parts[number] as Part);
      return views.map((view) => view.finish());
    });
  } catch (thrown) {
    throw failure("walk", treePath, thrown);
  }
}

/** The next number that nobody has. */
function take(turn: Int32Array | undefined, own: number): number {
  return turn === undefined ? own : Atomics.add(turn, 0, 1);
}

interface Walk {
  readonly treePath: string;
  readonly records: LookRecords<View>;
}

/** Finds the parts, and looks at what lies above them, the top with it. */
function lookAtUpper(walk: Walk, tree: number, views: readonly View[], parts: Part[]): void {
  const { records } = walk;
  const top = statDescriptor(tree);
  records.begin(views);
  records.text(top.stamp);
  lookInto(walk, { path: "", depth: 0, parts, open: () => openBelow(tree, "", toList, onlyDown) }, views);
  endPart(records, "", top.changed_ms);
}

function lookAtPart(walk: Walk, tree: number, { path, views }: Part): void {
  const { records } = walk;
  records.begin(views);
  const open = () => openBelow(tree, path, toList, onlyDown);
  lookInto(walk, { path, depth: part_depth, parts: undefined, open }, views);
  endPart(records, path);
}

function endPart(records: LookRecords<View>, path: TreePath, least_ms = 0): void {
  for (const { views, digest, changed_ms } of records.end())
    for (const view of views) view.add({ path, digest, changed_ms: Math.max(changed_ms, least_ms) });
}

interface Directory {
  readonly path: TreePath;
  readonly depth: number;
  /** Takes up what is deep enough, or flat; undefined within a part. */
  readonly parts: Part[] | undefined;
  /** Opens it to be listed. */
  readonly open: () => number;
}

function lookInto(walk: Walk, { path, depth, parts, open }: Directory, views: readonly View[]): void {
  const { treePath, records } = walk;
  const below: { readonly name: TreePath; readonly views: readonly View[]; readonly isPart: boolean }[] = [];
  const prefix = path === "" ? "" : `${path}/`;
  const held = attempt(treePath, path, open);
  try {
    records.select(views);
    records.text(`\0in ${path}\0`);
    const isPlain = !views.some((view) => view.isCarefulIn(path));
    attempt(treePath, path, () =>
      visitNodes(held, (names, start, facts) => {
        if (isPlain && !facts.directory) {
          records.node(names, start, facts);
          return;
        }
        const name = names.toString("latin1", start, names.indexOf(0, start));
        const seeing = isPlain ? views : thoseOf(views, (view) => view.sees(prefix + name));
        if (seeing.length === 0) return;
        records.select(seeing);
        records.node(names, start, facts);
        if (!facts.directory || facts.mountRoot) return;
        const entering = thoseOf(seeing, (view) => view.enters(prefix + name));
        const isPart = parts !== undefined && (depth + 1 === part_depth || facts.links === links_ofFlat);
        if (entering.length > 0) below.push({ name, views: entering, isPart });
      }),
    );
    for (const { name, views: entering, isPart } of below) {
      const inside = prefix + name;
      if (isPart) {
        parts?.push({ path: inside, views: entering });
        for (const view of entering) view.expected += 1;
      } else {
        const openInside = () => openBelow(held, name, toList, onlyDown);
        lookInto(walk, { path: inside, depth: depth + 1, parts, open: openInside }, entering);
      }
    }
  } finally {
    closeSync(held);
  }
}

/** The same list where all of them do. */
function thoseOf(views: readonly View[], does: (view: View) => boolean): readonly View[] {
  const found = views.filter(does);
  return found.length === views.length ? views : found;
}

/** Says of a failure where in the tree it was; a directory that is not there any more is the next pass's. */
function attempt<T>(treePath: string, path: TreePath, body: () => T): T {
  try {
    return body();
  } catch (thrown) {
    if (path === "" || !isMissing(thrown)) throw failure("walk", show(treePath, path), thrown);
    throw new RootloomError(`cannot walk ${show(treePath, path)}: a directory in it vanished meanwhile`, {
      retry: "transient",
      cause: thrown,
      hint: "something else is changing this tree; it is tried again",
    });
  }
}

/** One of those who look, and what it has seen so far. */
class View {
  readonly #options: LookOptions;
  readonly #parts: GlancePart[] = [];
  #upper: GlancePart = { path: "", digest: "", changed_ms: 0 };
  /** How many parts of the tree it enters. */
  expected = 0;

  constructor(options: LookOptions) {
    this.#options = options;
  }

  /** Whether names in a directory may be left out. */
  isCarefulIn(directory: TreePath): boolean {
    const { leaveOut, mayLeaveOut } = this.#options;
    return leaveOut !== undefined && mayLeaveOut?.(directory) !== false;
  }

  sees(path: TreePath): boolean {
    return this.#options.leaveOut?.(path) !== true;
  }

  enters(path: TreePath): boolean {
    return this.#options.enter?.(path) !== false;
  }

  add(part: GlancePart): void {
    if (part.path === "") this.#upper = part;
    else this.#parts.push(part);
  }

  finish(): Glance {
    return { upper: this.#upper, parts: this.#parts, expected: this.expected };
  }
}

function show(treePath: string, path: TreePath): string {
  return path === "" ? treePath : `${treePath}/${showPath(path)}`;
}
