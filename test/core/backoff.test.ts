import { describe, expect, it } from "vitest";
import { backoff_ms } from "../../src/core/backoff.ts";

describe("backoff", () => {
  const policy = { first_ms: 1_000, longest_ms: 60_000 };

  it("doubles with each failure and stops at the longest", () => {
    const waits = [1, 2, 3, 7, 50].map((failures) => backoff_ms(failures, 1, policy));
    expect(waits).toEqual([1_000, 2_000, 4_000, 60_000, 60_000]);
  });

  it("spreads the upper half by the random fraction", () => {
    expect([0, 0.5].map((fraction) => backoff_ms(2, fraction, policy))).toEqual([1_000, 1_500]);
  });
});
