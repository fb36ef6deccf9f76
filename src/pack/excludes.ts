import { type TreePath, toTreePath } from "../core/entry.ts";
import { parentOf } from "./paths.ts";

export interface Excludes {
  /** True when a pattern matches the path or a directory above it. */
  readonly covers: (path: TreePath) => boolean;
  /** True when everything in the directory is left out (`proc/*`), while the directory itself stays. */
  readonly coversContents: (directory: TreePath) => boolean;
  /** False when no pattern can match a name that stands in the directory itself. */
  readonly mayCoverIn: (directory: TreePath) => boolean;
}

/**
 * Compiles patterns, each anchored at the top: `usr/src` is itself and all below, `proc/*` the contents
 * of /proc. `*` and `?` match within one name (leading dots too), a name of `**` any number of directories.
 */
export function compileExcludes(patterns: readonly string[]): Excludes {
  const parts = patterns.map((pattern) => toTreePath(pattern).replace(/^\/+|\/+$/g, "")).filter((each) => each !== "");
  const matches = matcher(parts);
  const matchesContents = matcher(parts.filter((part) => part.endsWith("/*")).map((part) => part.slice(0, -2)));
  const everything = parts.includes("*");
  const known = new Map<TreePath, boolean>([["", false]]);
  const covers = (path: TreePath): boolean => {
    if (path === "") return false;
    const directory = parentOf(path);
    let above = known.get(directory);
    if (above === undefined) {
      above = covers(directory);
      known.set(directory, above);
    }
    return above || matches(path);
  };
  const coversContents = (directory: TreePath) => (directory === "" ? everything : matchesContents(directory));
  const isAnywhere = parts.some((part) => part.split("/").includes("**"));
  const matchesParent = matcher(parts.map(parentOf));
  return { covers, coversContents, mayCoverIn: (directory) => isAnywhere || matchesParent(directory) };
}

function matcher(patterns: readonly string[]): (path: TreePath) => boolean {
  const exact = new Set(patterns.filter((pattern) => !/[*?]/.test(pattern)));
  const globs = patterns.filter((pattern) => /[*?]/.test(pattern)).map(compileGlob);
  return (path) => exact.has(path) || globs.some((glob) => glob(path));
}

/** The part before the first wildcard is compared first: it settles nearly every path. */
function compileGlob(pattern: string): (path: TreePath) => boolean {
  const prefix = pattern.slice(0, pattern.search(/[*?]/));
  const names = pattern.split("/").map((name) => (name === "**" ? name : name.replace(/\*+/g, "*")));
  const all = names.filter((name, index) => name !== "**" || names[index - 1] !== "**");
  return (path) => path.startsWith(prefix) && matchList(all, path.split("/"), "**", matchName);
}

function matchName(pattern: string, name: string): boolean {
  return matchList([...pattern], [...name], "*", (one, character) => one === "?" || one === character);
}

/**
 * Both sides advance; at a mismatch the last wildcard takes one more: no worse than the product of the two
 * lengths, whatever the pattern. At the end of a path's pattern `**` stands for one name at least.
 */
function matchList(
  pattern: readonly string[],
  items: readonly string[],
  wildcard: "*" | "**",
  matches: (pattern: string, item: string) => boolean,
): boolean {
  let [at, item] = [0, 0];
  let retry: { at: number; item: number } | undefined;
  while (item < items.length) {
    const part = pattern[at];
    if (part === wildcard) {
      if (at === pattern.length - 1) return true;
      retry = { at, item };
      at += 1;
    } else if (part !== undefined && matches(part, items[item] ?? "")) {
      at += 1;
      item += 1;
    } else if (retry !== undefined) {
      retry = { at: retry.at, item: retry.item + 1 };
      at = retry.at + 1;
      item = retry.item;
    } else return false;
  }
  return pattern.slice(at).every((part) => wildcard === "*" && part === wildcard);
}
