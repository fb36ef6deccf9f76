import { expect, it } from "vitest";
import { EFFECTS } from "../../src/core/effect.ts";

it("every effect in the journal is named after its kind and what it does, once", () => {
  const kinds = "volume|tree|overlay|mount|link|environment|provision|kernel|artifact|publish";
  const odd = EFFECTS.filter((name) => !new RegExp(`^(${kinds})\\.[a-z]+([.-][a-z]+)*$`).test(name));
  expect(odd).toEqual([]);
  expect(new Set(EFFECTS).size).toBe(EFFECTS.length);
});
