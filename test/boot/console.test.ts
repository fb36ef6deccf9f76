import { describe, expect, it } from "vitest";
import { Console } from "../../src/boot/console.ts";

function consoleOf(expected: string, ...parts: readonly string[]): Console {
  const console = new Console(expected);
  for (const part of parts) console.add(Buffer.from(part));
  return console;
}

describe("the console of a guest", () => {
  it("sees what is waited for, also cut in two and behind escape codes of the firmware", () => {
    expect(consoleOf("BOOT-OK", "\u001b[2J\u001b[01;01HBOO", "T-OK\r\n").isSeen).toBe(true);
    expect(consoleOf("BOOT-OK", "BOOT", "-K\r\n").isSeen).toBe(false);
    expect(consoleOf("grün", "all is grün").isSeen).toBe(true);
  });

  it.each([
    "Initramfs unpacking failed: invalid magic at start of compressed archive",
    "Initramfs unpacking failed: write error",
    "Kernel panic - not syncing: No working init found.",
  ])("hears the kernel complain: %s", (line) => {
    const text = `[    1.0] first\r\n[    1.2] ${line}\r\n[    1.3] last\r\n`;
    expect(consoleOf("x", text.slice(0, 40), text.slice(40)).complaint).toContain(line);
  });

  it("has no complaint where the kernel has none", () => {
    expect(consoleOf("x", "[    1.0] Unpacking initramfs...\n[    1.2] Run /init as init process\n").complaint).toBe(
      undefined,
    );
  });

  it("keeps the start and the end of a guest that prints without end, and says how much it left out", () => {
    const console = new Console("never");
    console.add(Buffer.from("the start\n"));
    for (let count = 0; count < 300; count++) console.add(Buffer.alloc(10_000, "x"));
    console.add(Buffer.from("\nthe end\n"));
    const log = Buffer.from(console.log()).toString();
    expect(log.length).toBeLessThan(1_100_000);
    expect(log.startsWith("the start\n")).toBe(true);
    expect(log.endsWith("\nthe end\n")).toBe(true);
    expect(log).toMatch(/\[\d{7} bytes were left out here\]/);
    expect(console.lastLines(1)).toEqual(["the end"]);
  });

  it("shows people its last lines without control characters", () => {
    expect(consoleOf("x", "\u001b[0;31mone\u001b[0m\r\n\r\ntwo\u0007\r\n").lastLines(5)).toEqual(["one", "two"]);
  });
});
