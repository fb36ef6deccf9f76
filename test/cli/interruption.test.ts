import { describe, expect, it } from "vitest";
import { printFailure } from "../../src/cli/failure.ts";
import { interruption } from "../../src/cli/interruption.ts";
import type { Host } from "../../src/host/ports.ts";

describe("a command that is interrupted", () => {
  it("ends with that as its error, told once, and gives its signals back", () => {
    const handlers = new Map<string, () => void>();
    const onSignal: Host["events"]["onSignal"] = (name, handle) => {
      handlers.set(name, handle);
      return () => void handlers.delete(name);
    };
    let told = 0;
    const { signal, release } = interruption({ events: { onSignal } } as unknown as Host, () => void told++);
    signal.throwIfAborted();
    for (const handle of handlers.values()) handle();
    expect([handlers.size, told]).toEqual([2, 1]);
    const lines: string[] = [];
    let code = 0;
    try {
      signal.throwIfAborted();
    } catch (thrown) {
      code = printFailure(thrown, { error: (text) => void lines.push(text) }, false);
    }
    expect([code, ...lines]).toEqual([1, "error: cannot go on: interrupted\n"]);
    release();
    expect(handlers.size).toBe(0);
  });
});
