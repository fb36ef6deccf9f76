/**
 * A matcher of whole tree paths: `*` stands for any bytes within a name, `**` for any number of names
 * (`etc/**` is all below etc, `**` + `/x` is x anywhere). All else is literal, and anchored at the top.
 */
export function globMatcher(pattern: string): (path: string) => boolean {
  const names = pattern.split("/");
  // What stands behind the last wildcard settles most paths.
  const tail = pattern.slice(pattern.lastIndexOf("*") + 1).replace(/^\//, "");
  return (path) => path.endsWith(tail) && matchNames(names, path.split("/"));
}

export function hasWildcard(pattern: string): boolean {
  return pattern.includes("*");
}

/**
 * Both sides advance; at a mismatch the last `**` takes one name more: no worse than quadratic. A path that ends before
 * its pattern is no match: `etc/**` is not etc itself.
 */
function matchNames(pattern: readonly string[], path: readonly string[]): boolean {
  let [patternIndex, pathIndex] = [0, 0];
  let retry: { pattern: number; path: number } | undefined;
  while (pathIndex < path.length) {
    const name = pattern[patternIndex];
    if (name === "**") {
      retry = { pattern: patternIndex, path: pathIndex };
      patternIndex += 1;
    } else if (name !== undefined && matchName(name, path[pathIndex] ?? "")) {
      patternIndex += 1;
      pathIndex += 1;
    } else if (retry !== undefined) {
      retry = { pattern: retry.pattern, path: retry.path + 1 };
      patternIndex = retry.pattern + 1;
      pathIndex = retry.path;
    } else return false;
  }
  return patternIndex === pattern.length;
}

function matchName(pattern: string, name: string): boolean {
  const parts = pattern.split("*");
  const first = parts[0] ?? "";
  if (parts.length === 1) return name === pattern;
  const last = parts.at(-1) ?? "";
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  let position = first.length;
  const end = name.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, position);
    if (found < 0 || found + part.length > end) return false;
    position = found + part.length;
  }
  return true;
}
