import { createHash } from "node:crypto";
import { closeSync, constants } from "node:fs";
import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { Glance, GlancePart, LookOptions } from "../ports.ts";
import { failure, isMissing } from "./failure.ts";
import { holding, openDirectory } from "./paths.ts";
import {
  openBelow,
  type RawFacts,
  rawFactWords,
  resolveFlags,
  statDescriptor,
  visitNodes,
  writeRawFacts,
} from "./system-calls.ts";

const onlyDown = resolveFlags.beneath | resolveFlags.noXdev | resolveFlags.noSymlinks;
const toList = constants.O_RDONLY | constants.O_DIRECTORY;
const chunk_bytes = 1 << 17;
/** The longest name, what stands beside it, and room to align. */
const node_bytes = 256 + rawFactWords * 4 + 16;

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
      const { stamp, changed_ms } = statDescriptor(tree);
      lookInto({ treePath, path: "", open: () => openBelow(tree, "", toList, onlyDown), parts, depth: 0 }, views);
      for (const view of views) view.endUpper(stamp, changed_ms);
      for (let own = 0, number = take(turn, own++); number < parts.length; number = take(turn, own++))
        lookAtPart(treePath, tree, parts[number] as Part);
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

function lookAtPart(treePath: string, tree: number, { path, views }: Part): void {
  const open = () => openBelow(tree, path, toList, onlyDown);
  lookInto({ treePath, path, open, parts: undefined, depth: part_depth }, views);
  for (const view of views) view.endPart(path);
}

interface Directory {
  readonly treePath: string;
  readonly path: TreePath;
  readonly depth: number;
  /** Opens it to be listed. */
  readonly open: () => number;
  /** Takes up what is deep enough, or flat; undefined within a part. */
  readonly parts: Part[] | undefined;
}

function lookInto({ treePath, path, open, parts, depth }: Directory, views: readonly View[]): void {
  const below: { readonly name: TreePath; readonly views: readonly View[]; readonly isPart: boolean }[] = [];
  const prefix = path === "" ? "" : `${path}/`;
  const held = attempt(treePath, path, open);
  try {
    for (const view of views) view.begin(path);
    const isPlain = views.every(({ isCareful }) => !isCareful);
    attempt(treePath, path, () =>
      visitNodes(held, (names, start, end, facts) => {
        if (isPlain && !facts.directory) {
          for (const view of views) view.add(names, start, end, facts);
          return;
        }
        const name = names.toString("latin1", start, end);
        const seeing = views.filter((view) => view.sees(prefix + name));
        for (const view of seeing) view.add(names, start, end, facts);
        if (!facts.directory || facts.mountRoot) return;
        const entering = seeing.filter((view) => view.enters(prefix + name));
        const isPart = parts !== undefined && (depth + 1 === part_depth || facts.links === links_ofFlat);
        if (entering.length > 0) below.push({ name, views: entering, isPart });
      }),
    );
    for (const { name, views: entering, isPart } of below) {
      const inside = prefix + name;
      if (isPart) parts?.push({ path: inside, views: entering.map(expecting) });
      else {
        const openInside = () => openBelow(held, name, toList, onlyDown);
        lookInto({ treePath, path: inside, open: openInside, parts, depth: depth + 1 }, entering);
      }
    }
  } finally {
    closeSync(held);
  }
}

function expecting(view: View): View {
  view.expected += 1;
  return view;
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

/** What one view of the walk has seen so far. */
class View {
  readonly #options: LookOptions;
  readonly #chunk = Buffer.allocUnsafeSlow(chunk_bytes);
  readonly #words = new Uint32Array(this.#chunk.buffer);
  readonly #parts: GlancePart[] = [];
  #hash = createHash("sha256");
  #upper: GlancePart = { path: "", digest: "", changed_ms: 0 };
  #length = 0;
  #changed_ms = 0;
  /** How many parts of the tree it enters. */
  expected = 0;
  /** Whether names in the directory that is walked may be left out. */
  isCareful = false;

  constructor(options: LookOptions) {
    this.#options = options;
  }

  begin(directory: TreePath): void {
    this.#say(`\0in ${directory}\0`);
    const { leaveOut, mayLeaveOut } = this.#options;
    this.isCareful = leaveOut !== undefined && mayLeaveOut?.(directory) !== false;
  }

  sees(path: TreePath): boolean {
    return !this.isCareful || this.#options.leaveOut?.(path) !== true;
  }

  enters(path: TreePath): boolean {
    return this.#options.enter?.(path) !== false;
  }

  add(names: Buffer, start: number, end: number, facts: RawFacts): void {
    if (this.#length + node_bytes > chunk_bytes) this.#flush();
    const chunk = this.#chunk;
    let length = this.#length;
    // Byte by byte: a call for so few bytes would take longer.
    for (let at = start; at < end; at++) chunk[length++] = names[at] ?? 0;
    chunk[length++] = 0;
    chunk[length++] = facts.mountRoot ? 1 : 0;
    while (length % 4 !== 0) chunk[length++] = 0;
    writeRawFacts(this.#words, length / 4);
    this.#length = length + rawFactWords * 4;
    if (facts.changed_ms > this.#changed_ms) this.#changed_ms = facts.changed_ms;
  }

  endUpper(stamp: string, changed_ms: number): void {
    this.#say(stamp);
    this.#changed_ms = Math.max(changed_ms, this.#changed_ms);
    this.#upper = this.#end("");
  }

  endPart(path: TreePath): void {
    this.#parts.push(this.#end(path));
  }

  finish(): Glance {
    return { upper: this.#upper, parts: this.#parts, expected: this.expected };
  }

  #end(path: TreePath): GlancePart {
    this.#flush();
    const part = { path, digest: this.#hash.digest("hex"), changed_ms: this.#changed_ms };
    this.#hash = createHash("sha256");
    this.#changed_ms = 0;
    return part;
  }

  #say(text: string): void {
    this.#flush();
    this.#hash.update(text, "latin1");
  }

  #flush(): void {
    this.#hash.update(this.#chunk.subarray(0, this.#length));
    this.#length = 0;
  }
}

function show(treePath: string, path: TreePath): string {
  return path === "" ? treePath : `${treePath}/${showPath(path)}`;
}
