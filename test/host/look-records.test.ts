import { describe, expect, it } from "vitest";
import { LookRecords } from "../../src/host/real/look-records.ts";

describe("records of a look", () => {
  it("tell texts of any length apart, by their last byte too", () => {
    const records = new LookRecords<string>();
    const digestOf = (text: string) => {
      records.begin(["a view"]);
      records.text(text);
      return records.end()[0]?.digest;
    };
    for (const length of [1, 1 << 16, 1 << 17, 1 << 18])
      expect(digestOf(`${"x".repeat(length)}y`)).not.toBe(digestOf(`${"x".repeat(length)}z`));
  });
});
