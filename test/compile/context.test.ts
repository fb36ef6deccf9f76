import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { indexDocuments, isBelow, mergedKey, resolvePath } from "../../src/compile/context.ts";
import type { ExpandedDocument } from "../../src/documents/expand.ts";

describe("a path", () => {
  it.each([
    ["/state", "volumes/a", "/state/volumes/a"],
    ["/state", "/srv/a", "/srv/a"],
    ["/state", "./a//b/./c/", "/state/a/b/c"],
    ["/state/", "../a", "/a"],
    ["/state", "../../../a", "/a"],
    ["/state", "..", "/"],
    ["/", "/", "/"],
    ["/state", "...", "/state/..."],
  ])("from %s, %s is %s", (base, path, resolved) => expect(resolvePath(base, path)).toBe(resolved));

  it("resolved once is the same when it is resolved again", () => {
    const path = fc.array(fc.constantFrom("a", "b", ".", "..", ""), { maxLength: 8 }).map((parts) => parts.join("/"));
    fc.assert(
      fc.property(path, (text) => {
        const resolved = resolvePath("/x/y", text);
        expect(resolvePath("/elsewhere", resolved)).toBe(resolved);
        expect(resolved).toMatch(/^\/([^/]+(\/[^/]+)*)?$/);
      }),
    );
  });

  it.each([
    ["/a/b", "/a", true],
    ["/a/b/c", "/a", true],
    ["/a", "/a", false],
    ["/ab", "/a", false],
    ["/b/a", "/a", false],
    ["/x/a", "/y", false],
    ["/a", "/", true],
    ["/a/b", "/", true],
    ["/", "/", false],
  ])("%s is below %s: %s", (path, parent, below) => expect(isBelow(path, parent)).toBe(below));
});

it("contents that are put together are known by their parts, in their order", () => {
  const keys = [["a", "bc"], ["ab", "c"], ["bc", "a"], ["abc"]].map(mergedKey);
  expect(new Set(keys).size).toBe(4);
});

it("of two documents with one name the first is found", () => {
  const [first, second] = [1, 2].map((order) => ({ kind: "Root", name: "r", order })) as unknown as ExpandedDocument[];
  const roots = indexDocuments([first!, second!]).get("Root");
  expect(roots?.named.get("r")).toBe(first);
  expect(roots?.all).toEqual([first, second]);
});
