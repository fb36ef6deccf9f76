import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { showPath, toTreePath } from "../../src/core/entry.ts";
import { isTemporary, TEMPORARY_PREFIX } from "../../src/core/temporary.ts";

describe("a tree path", () => {
  it("holds one byte of the name in each character", () => {
    expect(toTreePath("etc/ä~ z")).toBe("etc/\u00c3\u00a4~ z");
    expect(toTreePath("\t€")).toBe("\t\u00e2\u0082\u00ac");
    expect(toTreePath("")).toBe("");
  });

  it("sorts as the bytes of its name do", () => {
    const name = fc.string({ unit: fc.constantFrom(..."aZ0 ~/\u007fä€日𝄞\uffff") });
    fc.assert(
      fc.property(name, name, (left, right) => {
        const bytes = Math.sign(Buffer.compare(Buffer.from(left), Buffer.from(right)));
        const [a, b] = [toTreePath(left), toTreePath(right)];
        expect(a < b ? -1 : a > b ? 1 : 0).toBe(bytes);
      }),
    );
  });

  it.each([
    ["plain text as it is", "usr/share/a b~", "usr/share/a b~"],
    ["UTF-8 as letters", toTreePath("home/zoë/日本"), "home/zoë/日本"],
    ["bytes that are no UTF-8 one by one", "a/\u00ff\u00e9", "a/ÿé"],
    ["bytes that are neither by their number", "a/\u00ff\u0085", "a/ÿ\\x85"],
    ["control characters by their number", "a\nb\u0000\u001f\u007f", "a\\x0ab\\x00\\x1f\\x7f"],
    ["controls written in UTF-8 by their number, too", toTreePath("a\u0080\u009f\u00a0"), "a\\x80\\x9f\u00a0"],
    ["a backslash twice, so that it is not taken for an escape", "a\\x0a", "a\\\\x0a"],
  ])("is shown with %s", (_what, path, shown) => expect(showPath(path)).toBe(shown));

  it("of any text is shown without a character that a terminal would act on", () => {
    const unit = fc.constantFrom(..."a\\\u0000\n\u001b\u001f\u007f\u0080\u009b\u009f\u00a0é€𝄞");
    fc.assert(
      fc.property(fc.string({ unit }), (text) => {
        expect(showPath(toTreePath(text))).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
    );
  });

  it("of printable text without a backslash is shown as that text", () => {
    const text = fc.string({ unit: fc.constantFrom(..."aZ0 ~/ä€日𝄞\u00a0") });
    fc.assert(
      fc.property(text, (it) => {
        expect(showPath(toTreePath(it))).toBe(it);
      }),
    );
  });
});

describe("what a killed write left", () => {
  const left = `${TEMPORARY_PREFIX}0123456789abcdef`;

  it.each([
    [left, true],
    [`etc/ssl/${left}`, true],
    [`${left}/motd`, false],
    [`x${left}`, false],
    [`${left}0`, false],
    [left.slice(0, -1), false],
    [`${TEMPORARY_PREFIX}0123456789ABCDEF`, false],
    [`${TEMPORARY_PREFIX}0123456789abcdeg`, false],
    ["rootloom-new-0123456789abcdef", false],
    ["xrootloom-new-0123456789abcdef", false],
    ["etc/motd", false],
    ["", false],
  ])("%j is one: %s", (path, is) => expect(isTemporary(path)).toBe(is));
});
