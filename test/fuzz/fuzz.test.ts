import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fuzz, TARGETS } from "./targets.ts";

const directory = mkdtempSync(join(tmpdir(), "rootloom-fuzz-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Seconds for all targets together; `node test/fuzz/main.ts --minutes N` goes on for longer. */
const duration_ms = 8_000 / TARGETS.size;

describe("odd input", () => {
  it.each([...TARGETS.keys()])("of %s never crashes, hangs or is believed", async (target) => {
    expect(await fuzz(target, 1, duration_ms, directory)).toBeGreaterThan(0);
  });
});
