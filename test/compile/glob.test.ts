import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { globMatcher } from "../../src/compile/glob.ts";

describe("a pattern of a rule", () => {
  it.each([
    ["etc/motd", "etc/motd", true],
    ["etc/motd", "usr/etc/motd", false],
    ["etc/*", "etc/motd", true],
    ["etc/*", "etc/a/b", false],
    ["etc/**", "etc/a/b", true],
    ["etc/**", "etc", false],
    ["**/key", "key", true],
    ["**/key", "a/b/key", true],
    ["a/**/z", "a/z", true],
    ["a/**/z", "a/b/c/z", true],
    ["*.k*y", "site.key", true],
    ["a*a", "a", false],
    ["a.b", "aXb", false],
    ["**/a/**/b", "a/x/a/b/b", true],
    ["**/**/key", "key", true],
    ["a/**/**", "a/b", true],
    ["a/**/**", "a", false],
    ["**", "a", true],
    ["*", "", true],
    ["etc/motd*", "etc/motd", true],
    ["*a*b*", "xaxb", true],
    ["*a*b*", "ba", false],
    ["*ab*bc", "abc", false],
    ["*ab*bc", "abbc", true],
    ["*ab*ab*", "ab", false],
    ["a*b*c", "abc", true],
    ["a*b*c", "ac", false],
    ["ab*bc", "abc", false],
    ["x*a*ay", "xay", false],
    ["x*ab*y", "xaby", true],
    ["*ab*", "ab", true],
    ["*x/y", "ax/y", true],
    ["a/**/b/c", "a/b/c", true],
    ["", "", true],
    ["", "a", false],
    ["*aa*aa*", "aaa", false],
  ])("%s on %s is %s", (pattern, path, matches) => expect(globMatcher(pattern)(path)).toBe(matches));

  it("agrees with a regular expression on any short name", () => {
    const text = (letters: string) => fc.string({ unit: fc.constantFrom(...letters), maxLength: 7 });
    fc.assert(
      fc.property(text("ab*"), text("ab"), (pattern, name) => {
        fc.pre(!pattern.includes("**"));
        const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(name);
        expect(globMatcher(pattern)(name)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it("agrees with a regular expression on any short pattern and path", () => {
    const piece = (names: readonly string[]) => fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(piece(["a", "b", "*", "**", "a*", "*b"]), piece(["a", "b", "ab"]), (pattern, path) => {
        // Each name carries its slash, so that `**` is any number of them; as the last one it needs at least one.
        const source = pattern
          .map((name, index) => {
            if (name === "**") return index === pattern.length - 1 ? "(?:[^/]+/)+" : "(?:[^/]+/)*";
            return `${name.replaceAll("*", "[^/]*")}/`;
          })
          .join("");
        const expected = new RegExp(`^${source}$`).test(`${path.join("/")}/`);
        expect(globMatcher(pattern.join("/"))(path.join("/"))).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });
});
