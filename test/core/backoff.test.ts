import { describe, expect, it } from "vitest";
import { backoff_ms, DEFAULT_BACKOFF } from "../../src/core/backoff.ts";

describe("backoff", () => {
  const policy = { first_ms: 1_000, longest_ms: 60_000 };

  it("doubles with each failure and stops at the longest", () => {
    const waits = [1, 2, 3, 7, 50].map((failures) => backoff_ms(failures, 1, policy));
    expect(waits).toEqual([1_000, 2_000, 4_000, 60_000, 60_000]);
  });

  it("takes no failure yet for the first one", () => {
    expect(backoff_ms(0, 1, policy)).toBe(1_000);
  });

  it("stays finite and at the longest after a year of failures", () => {
    expect(backoff_ms(100_000, 1, { first_ms: 1, longest_ms: 2 ** 40 })).toBe(2 ** 30);
  });

  it("starts at two seconds and ends at five minutes unless told otherwise", () => {
    expect([1, 100].map((failures) => backoff_ms(failures, 1))).toEqual([2_000, 300_000]);
    expect(backoff_ms(1, 0)).toBe(DEFAULT_BACKOFF.first_ms / 2);
  });

  it("spreads the upper half by the random fraction", () => {
    expect([0, 0.5].map((fraction) => backoff_ms(2, fraction, policy))).toEqual([1_000, 1_500]);
  });
});
