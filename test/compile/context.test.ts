import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isBelow, resolvePath } from "../../src/compile/context.ts";

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
