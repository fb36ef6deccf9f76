import type { TreePath } from "../core/entry.ts";

const SLASH = 47;

/**
 * The one order of entries: that of a walk which sorts the names of each directory by bytes. A directory
 * stands before its contents and directly before them; unlike plain `<`, `a/b` comes before `a-b`.
 */
export function comparePaths(a: TreePath, b: TreePath): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right) continue;
    if (left === SLASH) return -1;
    if (right === SLASH) return 1;
    return left - right;
  }
  return a.length - b.length;
}

/** The directory that holds a path; the top is its own parent. */
export function parentOf(path: TreePath): TreePath {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

export function joinPath(directory: TreePath, name: TreePath): TreePath {
  return directory === "" ? name : `${directory}/${name}`;
}

/** True for the path itself and for all below it. */
export function isWithin(path: TreePath, directory: TreePath): boolean {
  return directory === "" || path === directory || path.startsWith(`${directory}/`);
}

/** Sorts in place by `comparePaths`; a list that is sorted already is only looked through. */
export function sortByPath<T extends { readonly path: TreePath }>(entries: T[]): T[] {
  for (let index = 1; index < entries.length; index++) {
    const before = entries[index - 1];
    const here = entries[index];
    if (before && here && comparePaths(before.path, here.path) > 0) {
      return entries.sort((a, b) => comparePaths(a.path, b.path));
    }
  }
  return entries;
}

/** Adds directories that entries stand in but that no entry names (a tarball may leave them out). Sorts. */
export function addMissingParents<T extends { readonly path: TreePath }>(
  entries: T[],
  make: (path: TreePath) => T,
): T[] {
  const known = new Set(entries.map((entry) => entry.path));
  for (const { path } of entries.slice()) {
    for (let above = path; above !== ""; ) {
      above = parentOf(above);
      if (known.has(above)) break;
      known.add(above);
      entries.push(make(above));
    }
  }
  return sortByPath(entries);
}
