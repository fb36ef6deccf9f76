import { describe, expect, it } from "vitest";
import { lineDiff } from "../../../src/resources/overlay/diff.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("the line diff of a laid file", () => {
  it("shows changed lines with their surroundings and where they begin", () => {
    expect(lineDiff(bytes("a\nb\nc\nd\ne\nf\n"), bytes("a\nb\nc\nD\ne\nf\n"))).toEqual([
      "@@ -2 +2 @@",
      " b",
      " c",
      "-d",
      "+D",
      " e",
      " f",
    ]);
  });

  it("shows two distant changes as two parts", () => {
    const before = Array.from({ length: 20 }, (_, line) => `${line}`);
    const after = before.with(1, "x").with(18, "y");
    const lines = lineDiff(bytes(`${before.join("\n")}\n`), bytes(`${after.join("\n")}\n`));
    expect(lines?.filter((line) => line.startsWith("@@"))).toEqual(["@@ -1 +1 @@", "@@ -17 +17 @@"]);
  });

  it("says when only the last newline is missing", () => {
    expect(lineDiff(bytes("a"), bytes("a\n"))).toEqual(["@@ -1 +1 @@", " a", "-(no newline at the end)"]);
  });

  it("is not made of binary, of broken UTF-8 and of long files", () => {
    expect(lineDiff(Uint8Array.of(0, 1), bytes("a"))).toBeUndefined();
    expect(lineDiff(Uint8Array.of(0xff), bytes("a"))).toBeUndefined();
    expect(lineDiff(bytes("a"), new Uint8Array(65 * 1024).fill(97))).toBeUndefined();
  });

  it("keeps terminal escapes of a file out of a report", () => {
    expect(lineDiff(bytes("\u001b[31mred\n"), bytes("x\n"))).toEqual(["@@ -1 +1 @@", "-?[31mred", "+x"]);
  });
});
