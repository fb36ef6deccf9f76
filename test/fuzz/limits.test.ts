import { afterEach, expect, it, vi } from "vitest";
import { parseLimits } from "../../src/resources/limits.ts";

afterEach(() => vi.restoreAllMocks());

it("a limits file that is a set, a date or a list is refused, for it would read as one without limits", () => {
  for (const text of ["%YAML 1.1\n---\n!!set {maxDeletions}\n", "%YAML 1.1\n---\n2024-01-01\n", "[paths]\n"]) {
    expect(() => parseLimits(text, "limits.yaml")).toThrow("it is not a list of keys and values");
  }
});

it("an unknown tag in a limits file prints nothing by itself", () => {
  const warned = vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
  parseLimits("paths: !odd [/srv]\n", "limits.yaml");
  expect(warned).not.toHaveBeenCalled();
});
