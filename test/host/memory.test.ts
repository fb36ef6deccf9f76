import { describe, expect, it } from "vitest";
import { createHost } from "../../src/host/real/host.ts";
import { release } from "../../src/pack/room.ts";

const COUNT = 200;
const LARGE_BYTES = 512 << 10;
const SMALL_BYTES = 64 << 10;

function filled(size_bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(size_bytes).fill(1);
}

describe("memory on the real side", () => {
  it("goes back to the kernel when large pieces are released, whatever small ones stand between them", () => {
    createHost();
    // Given back once: from here on the C library alone would keep pieces of this size.
    release(filled(2 * LARGE_BYTES));
    const before = process.memoryUsage.rss();
    const pieces = Array.from({ length: COUNT }, () => ({ large: filled(LARGE_BYTES), small: filled(SMALL_BYTES) }));
    expect(process.memoryUsage.rss() - before).toBeGreaterThan(COUNT * LARGE_BYTES * 0.9);
    for (const { large } of pieces) release(large);
    expect(process.memoryUsage.rss() - before).toBeLessThan(COUNT * (SMALL_BYTES + LARGE_BYTES / 4));
    expect(pieces.every(({ small }) => small[0] === 1)).toBe(true);
  });
});
