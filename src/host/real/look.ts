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
 * Walks a tree as `scanTree` does and makes nothing of it but one digest of all names, stamps and mount points, in the order
 * in which the kernel lists them: some 3 us a node, nearly all of it the kernel's.
 * @throws RootloomError, transient where a directory vanished meanwhile.
 */
export function lookAtTree(treePath: string, options: LookOptions): Sight {
  try {
    return holding(openDirectory(treePath), (tree) => {
      const look = new Look(treePath, options);
      const top = statDescriptor(tree);
      look.directory("", openBelow(tree, "", toList, onlyDown));
      return look.finish(top.stamp, top.changed_ms);
    });
  } catch (thrown) {
    throw failure("walk", treePath, thrown);
  }
}

class Look {
  readonly #treePath: string;
  readonly #options: LookOptions;
  readonly #hash = createHash("sha256");
  readonly #chunk = Buffer.allocUnsafeSlow(chunk_bytes);
  readonly #words = new Uint32Array(this.#chunk.buffer);
  #length = 0;
  #changed_ms = 0;

  constructor(treePath: string, options: LookOptions) {
    this.#treePath = treePath;
    this.#options = options;
  }

  /** @param held the directory, open to be listed; it is closed. */
  directory(path: TreePath, held: number): void {
    const below: TreePath[] = [];
    const prefix = path === "" ? "" : `${path}/`;
    try {
      this.#say(`\0in ${path}\0`);
      visitNodes(held, (names, start, end, facts) => this.#node(prefix, below, names, start, end, facts));
      for (const name of below) this.directory(prefix + name, openBelow(held, name, toList, onlyDown));
    } catch (thrown) {
      if (path === "" || !isMissing(thrown)) throw failure("walk", this.#show(path), thrown);
      throw new RootloomError(`cannot walk ${this.#show(path)}: a directory in it vanished meanwhile`, {
        retry: "transient",
        cause: thrown,
        hint: "something else is changing this tree; it is tried again",
      });
    } finally {
      closeSync(held);
    }
  }

  finish(stamp: string, changed_ms: number): Sight {
    this.#say(stamp);
    this.#flush();
    return { digest: this.#hash.digest("hex"), changed_ms: Math.max(changed_ms, this.#changed_ms) };
  }

  #node(prefix: TreePath, below: TreePath[], names: Buffer, start: number, end: number, facts: RawFacts): void {
    const { enter, leaveOut } = this.#options;
    if (leaveOut?.(prefix + names.toString("latin1", start, end)) === true) return;
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
    if (!facts.directory || facts.mountRoot) return;
    const name = names.toString("latin1", start, end);
    if (enter?.(prefix + name) !== false) below.push(name);
  }

  #say(text: string): void {
    this.#flush();
    this.#hash.update(text, "latin1");
  }

  #flush(): void {
    this.#hash.update(this.#chunk.subarray(0, this.#length));
    this.#length = 0;
  }

  #show(path: TreePath): string {
    return path === "" ? this.#treePath : `${this.#treePath}/${showPath(path)}`;
  }
}
