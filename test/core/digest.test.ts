import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/core/digest.ts";

describe("canonical JSON", () => {
  it.each([
    [null, "null"],
    [undefined, "null"],
    [true, "true"],
    [1.5, "1.5"],
    ['a"b', '"a\\"b"'],
    [[], "[]"],
    [{}, "{}"],
    [[3, [1, undefined], { b: 1, a: [] }], '[3,[1,null],{"a":[],"b":1}]'],
    [{ b: 1, a: undefined, aa: null, B: { z: 0, y: 0 } }, '{"B":{"y":0,"z":0},"aa":null,"b":1}'],
  ])("of %j is %s", (value, text) => expect(canonicalJson(value)).toBe(text));

  it("is JSON that reads back as the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("does not depend on the order in which the members were written", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
      }),
    );
  });
});
