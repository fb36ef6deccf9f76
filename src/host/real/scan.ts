import { hash } from "node:crypto";
import { closeSync, constants, readdirSync, readlinkSync } from "node:fs";
import { type EntryType, showPath, type TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { ScannedEntry, ScanOptions } from "../ports.ts";
import { failure, isMissing } from "./failure.ts";
import { below, descriptorPath, nodePath, openDirectory } from "./paths.ts";
import {
  extendedAttributeNames,
  extendedAttributeValue,
  type NodeFacts,
  openBelow,
  openPath,
  resolveFlags,
  statAt,
  statUnderMount,
} from "./system-calls.ts";

const onlyDown = resolveFlags.beneath | resolveFlags.noXdev | resolveFlags.noSymlinks;

interface Level {
  readonly directory: number;
  /** Path of the directory with a slash behind it; empty at the top. */
  readonly prefix: TreePath;
  readonly names: readonly TreePath[];
  next: number;
}

/**
 * Walks a tree, a directory before its contents, names in the order of their bytes; the top itself is
 * not reported. Every level is held open while it is walked, so that nothing moved meanwhile leads the
 * walk outside. An entry that vanishes was never there; a directory that does ends the walk with a
 * transient error, for its contents may have gone to where the walk has been. A mount point has the attributes of what it
 * covers: those of what is mounted on it are not the tree's.
 */
export function* scanTree(treePath: string, options: ScanOptions): Iterable<ScannedEntry> {
  const levels: Level[] = [];
  try {
    levels.push(openLevel(treePath, "", () => openDirectory(treePath)));
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const name = level.names[level.next];
      level.next += 1;
      if (name === undefined) {
        levels.pop();
        closeSync(level.directory);
        continue;
      }
      const facts = statName(treePath, level, name);
      if (facts === undefined) continue;
      const entry = describe(treePath, level, name, facts, options);
      if (entry === undefined) continue;
      yield entry;
      const { path, type, mountPoint } = entry;
      if (type !== "directory" || mountPoint || options.enter?.(path) === false) continue;
      const { directory } = level;
      levels.push(
        openLevel(treePath, path, () => openBelow(directory, name, openPath | constants.O_DIRECTORY, onlyDown)),
      );
    }
  } finally {
    for (const level of levels) closeSync(level.directory);
  }
}

function openLevel(treePath: string, path: TreePath, open: () => number): Level {
  let directory: number | undefined;
  try {
    directory = open();
    const names = readdirSync(`${descriptorPath(directory)}/.`, "latin1").sort();
    return { directory, prefix: path === "" ? "" : `${path}/`, names, next: 0 };
  } catch (thrown) {
    if (directory !== undefined) closeSync(directory);
    if (path === "" || !isMissing(thrown)) throw failure("walk", show(treePath, path), thrown);
    throw new RootloomError(`cannot walk ${show(treePath, path)}: the directory vanished meanwhile`, {
      retry: "transient",
      cause: thrown,
      hint: "something else is changing this tree; it is tried again",
    });
  }
}

function statName(treePath: string, level: Level, name: TreePath): NodeFacts | undefined {
  try {
    return statAt(level.directory, name);
  } catch (thrown) {
    throw failure("look at", show(treePath, level.prefix + name), thrown);
  }
}

/** Undefined when the entry vanished in between. */
function describe(
  treePath: string,
  level: Level,
  name: TreePath,
  facts: NodeFacts,
  options: ScanOptions,
): ScannedEntry | undefined {
  const path = level.prefix + name;
  const { directory } = level;
  try {
    if (facts.mountRoot) {
      const covered = statUnderMount(directory, name) ?? facts;
      return { ...covered, path, target: "", mountPoint: true, extendedAttributes: none };
    }
    const target = facts.type === "symlink" ? readlinkSync(nodePath(below(directory, name)), "latin1") : "";
    const extendedAttributes = attributesOf(below(directory, name), facts.type, options.attributes);
    return { ...facts, path, target, mountPoint: false, extendedAttributes };
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw failure("look at", show(treePath, path), thrown);
  }
}

const none: readonly string[] = [];

function attributesOf(path: string, type: EntryType, asked: ScanOptions["attributes"]): readonly string[] {
  // Of all else nobody asks for values, and to ask costs a call a node.
  if (asked === undefined || asked === false || (asked === "values" && type !== "file")) return none;
  const names = extendedAttributeNames(path);
  if (asked === true) return names;
  return names.flatMap((name) => {
    const value = extendedAttributeValue(path, name);
    return value === undefined ? [] : [`${name}=${hash("sha256", value).slice(0, 16)}`];
  });
}

function show(treePath: string, path: TreePath): string {
  return path === "" ? treePath : `${treePath}/${showPath(path)}`;
}
