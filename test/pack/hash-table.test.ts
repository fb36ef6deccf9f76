import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { HASH_CHUNK_BYTES, HashTable, RECORD_BYTES } from "../../src/pack/hash-table.ts";

const keyOf = (number: number) => hash("sha256", `key ${number}`, "latin1");
const hashOf = (number: number) => hash("sha256", `content ${number}`);

function filled(from: number, to: number, table = new HashTable()): HashTable {
  for (let number = from; number < to; number++) table.set(keyOf(number), hashOf(number));
  return table;
}

/** As it comes back from a file, in pieces of one size. */
function reloaded(table: HashTable, all = true): HashTable {
  const bytes = Buffer.concat(Array.from(table.records(all), (part) => Buffer.from(part)));
  const again = new HashTable();
  for (let at = 0; at < bytes.length; at += HASH_CHUNK_BYTES) {
    const chunk = Buffer.alloc(HASH_CHUNK_BYTES);
    again.load(chunk, bytes.copy(chunk, 0, at));
  }
  return again;
}

describe("hashes by key", () => {
  // Some more than two chunks of them, and one that ends with a chunk.
  for (const count of [1, 9_000, HASH_CHUNK_BYTES / RECORD_BYTES])
    it(`finds each of ${count} again, also when they come from a file and more are added`, () => {
      const table = filled(count, count + 5_000, reloaded(filled(0, count)));
      for (let number = 0; number < count + 5_000; number++) expect(table.get(keyOf(number))).toBe(hashOf(number));
      expect(table.get(keyOf(count + 5_000))).toBeUndefined();
      expect(table.count).toBe(count + 5_000);
    });

  it("tells keys apart that begin alike, and has one hash a key, the last", () => {
    const alike = (end: string) => `same${end.repeat(12)}`;
    const table = new HashTable();
    for (const end of ["a", "b", "c"]) table.set(alike(end), hashOf(end.charCodeAt(0)));
    table.set(alike("b"), hashOf(1));
    const again = reloaded(table);
    expect(["a", "b", "c", "d"].map((end) => again.get(alike(end)))).toEqual([
      hashOf(97),
      hashOf(1),
      hashOf(99),
      undefined,
    ]);
    expect(again.count).toBe(3);
  });

  it("knows which were asked for since it was loaded, and can leave the others behind", () => {
    const table = reloaded(filled(0, 6_000));
    expect(table.seenCount).toBe(0);
    for (const number of [5, 4_999, 5]) table.get(keyOf(number));
    filled(7_000, 20_000, table); // the index grows
    expect(table.seenCount).toBe(13_002);
    const kept = reloaded(table, false);
    expect([kept.count, kept.get(keyOf(4_999)), kept.get(keyOf(6))]).toEqual([13_002, hashOf(4_999), undefined]);
  });
});
