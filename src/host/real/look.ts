import { createHash } from "node:crypto";
import { closeSync, constants } from "node:fs";
import { showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { LookOptions, Sight } from "../ports.ts";
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

/**
 * Walks a tree as `scanTree` does and makes nothing of it but one digest a view, of all names, stamps and mount points in the
 * order in which the kernel lists them: some 3 us a node, nearly all of it the kernel's.
 * @throws RootloomError, transient where a directory vanished meanwhile.
 */
export function lookAtTree(treePath: string, views: readonly LookOptions[]): readonly Sight[] {
  try {
    return holding(openDirectory(treePath), (tree) => {
      const looks = views.map((view) => new View(view));
      const { stamp, changed_ms } = statDescriptor(tree);
      lookInto({ treePath, path: "", held: openBelow(tree, "", toList, onlyDown) }, looks);
      return looks.map((look) => look.finish(stamp, changed_ms));
    });
  } catch (thrown) {
    throw failure("walk", treePath, thrown);
  }
}

interface Directory {
  readonly treePath: string;
  readonly path: TreePath;
  /** Open to be listed; it is closed here. */
  readonly held: number;
}

function lookInto({ treePath, path, held }: Directory, views: readonly View[]): void {
  const below: { readonly name: TreePath; readonly views: readonly View[] }[] = [];
  const prefix = path === "" ? "" : `${path}/`;
  try {
    for (const view of views) view.begin(path);
    const isPlain = views.every(({ isCareful }) => !isCareful);
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
      if (entering.length > 0) below.push({ name, views: entering });
    });
    for (const { name, views: entering } of below)
      lookInto({ treePath, path: prefix + name, held: openBelow(held, name, toList, onlyDown) }, entering);
  } catch (thrown) {
    if (path === "" || !isMissing(thrown)) throw failure("walk", show(treePath, path), thrown);
    throw new RootloomError(`cannot walk ${show(treePath, path)}: a directory in it vanished meanwhile`, {
      retry: "transient",
      cause: thrown,
      hint: "something else is changing this tree; it is tried again",
    });
  } finally {
    closeSync(held);
  }
}

/** What one view of the walk has seen so far. */
class View {
  readonly #options: LookOptions;
  readonly #hash = createHash("sha256");
  readonly #chunk = Buffer.allocUnsafeSlow(chunk_bytes);
  readonly #words = new Uint32Array(this.#chunk.buffer);
  #length = 0;
  #changed_ms = 0;
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

  finish(stamp: string, changed_ms: number): Sight {
    this.#say(stamp);
    this.#flush();
    return { digest: this.#hash.digest("hex"), changed_ms: Math.max(changed_ms, this.#changed_ms) };
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
