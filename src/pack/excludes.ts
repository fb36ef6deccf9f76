import { type TreePath, toTreePath } from "../core/entry.ts";
import { parentOf } from "./paths.ts";

export interface Excludes {
  /** True when a pattern matches the path or a directory above it. */
  readonly covers: (path: TreePath) => boolean;
  /** True when everything in the directory is left out (`proc/*`), while the directory itself stays. */
  readonly coversContents: (directory: TreePath) => boolean;
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
  return { covers, coversContents: (directory) => (directory === "" ? everything : matchesContents(directory)) };
}

function matcher(patterns: readonly string[]): (path: TreePath) => boolean {
  const exact = new Set(patterns.filter((pattern) => !/[*?]/.test(pattern)));
  const globs = patterns.filter((pattern) => /[*?]/.test(pattern)).map(compileGlob);
  return (path) => exact.has(path) || globs.some((glob) => glob(path));
}

/** The part before the first wildcard is compared first: it settles nearly every path. */
function compileGlob(pattern: string): (path: TreePath) => boolean {
  const prefix = pattern.slice(0, pattern.search(/[*?]/));
  const names = pattern.split("/").map((name, index, all) => {
    const last = index === all.length - 1;
    if (name === "**") return last ? "[^]+" : "(?:[^/]+/)*";
    const body = name
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replace(/\*+/g, "[^/]*")
      .replace(/\?/g, "[^/]");
    return last ? body : `${body}/`;
  });
  const expression = new RegExp(`^${names.join("")}$`);
  return (path) => path.startsWith(prefix) && expression.test(path);
}
