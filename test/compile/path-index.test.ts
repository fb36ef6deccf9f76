import { describe, expect, it } from "vitest";
import { PathIndex } from "../../src/compile/path-index.ts";

describe("what stands above a path", () => {
  const index = new PathIndex<string>();
  for (const [path, value] of [
    ["/", "top"],
    ["/srv/a", "first"],
    ["/srv/a", "second"],
    ["/srv/a/b", "below"],
  ] as const)
    index.add(path, value);

  it.each([
    ["/", []],
    ["/srv", ["top"]],
    ["/srv/a", ["top"]],
    ["/srv/ab", ["top"]],
    ["/srv/a/b", ["top", "first", "second"]],
    ["/srv/a/b/c/d", ["top", "first", "second", "below"]],
    ["/elsewhere/a/b", ["top"]],
  ])("%s is found from the top, and never the path itself", (path, found) => expect(index.above(path)).toEqual(found));
});
