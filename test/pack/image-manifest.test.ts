import { appendFileSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { EntryList } from "../../src/pack/entry-list.ts";
import { EntryListBuilder } from "../../src/pack/entry-list-builder.ts";
import { EntryTable } from "../../src/pack/entry-table.ts";
import { writeImageManifest } from "../../src/pack/image-manifest.ts";
import { writeManifest } from "../../src/pack/manifest.ts";
import type { PackEntry } from "../../src/pack/types.ts";
import { context, fileSha256, packEntry, sha256, temporaryDirectory } from "./workspace.ts";

const { files } = context;
const entries = Array.from({ length: 2_000 }, (_, index) =>
  packEntry(`usr/d${String(index >> 5).padStart(3, "0")}/f${String(index).padStart(4, "0")}${"x".repeat(index % 40)}`, {
    size: index,
    sha256: sha256(String(index)),
    linkSet: index % 300 === 0 ? "1:7" : "",
  }),
);
const table = EntryTable.of(entries);

/** What is done to a list: from there on so many entries are left out, are others, or are called otherwise. */
const edits = fc.array(
  fc.record({
    from: fc.nat(entries.length - 1),
    count: fc.integer({ min: 1, max: 200 }),
    what: fc.constantFrom("left out", "other", "named"),
  }),
  { maxLength: 5 },
);

function edited(list: readonly { from: number; count: number; what: string }[]): EntryList {
  const [whole, builder, names] = [EntryList.of(table), new EntryListBuilder(), new Map<number, string>()];
  let index = 0;
  for (const [at, entry] of entries.entries()) {
    const what = list.find(({ from, count }) => from <= at && at < from + count)?.what;
    if (what === "left out") continue;
    if (what === "named") names.set(index, entry.linkSet === "" ? "" : "a set");
    if (what === "other") builder.add(EntryList.of([{ ...entry, mode: 0o700, layer: "overlay" } as PackEntry]), 0, 1);
    else builder.add(whole, at, at + 1);
    index++;
  }
  return builder.finish().withLinkSets(names);
}

let work: string;
beforeEach(() => {
  work = temporaryDirectory();
});

describe("the manifest of an image", () => {
  it("is the same with lines from the one before and without, again and again", () => {
    fc.assert(
      fc.property(fc.array(edits, { minLength: 2, maxLength: 4 }), (rounds) => {
        let before: string | undefined;
        for (const [round, list] of rounds.map(edited).entries()) {
          const path = join(work, `manifest-${round}`);
          const digest = writeImageManifest(files, path, list, before);
          const plain = writeManifest(files, join(work, "plain"), list);
          expect(readFileSync(path, "latin1")).toBe(readFileSync(join(work, "plain"), "latin1"));
          expect(digest).toBe(plain.sha256);
          before = path;
        }
      }),
      { numRuns: 60 },
    );
  });

  it("copies the lines that stand in the one before, and makes the others only", () => {
    const [before, path] = [join(work, "before"), join(work, "path")];
    writeImageManifest(files, before, edited([]), undefined);
    const list = edited([{ from: 700, count: 3, what: "other" }]);
    const made = vi.spyOn(table, "range");
    writeImageManifest(files, path, list, before);
    expect(made).not.toHaveBeenCalled();
    made.mockRestore();
    expect(fileSha256(path)).toBe(writeManifest(files, join(work, "plain"), list).sha256);
  });

  it("takes nothing from one that is not as it was written, or that another has written", () => {
    const [before, other, path] = [join(work, "before"), join(work, "other"), join(work, "path")];
    writeImageManifest(files, before, edited([]), undefined);
    appendFileSync(before, "more");
    writeManifest(files, other, edited([]));
    const plain = writeManifest(files, join(work, "plain"), edited([])).sha256;
    for (const from of [before, other, join(work, "missing")])
      expect(writeImageManifest(files, path, edited([]), from)).toBe(plain);
  });

  it("is refused for the time being where the one before is cut while it is read, and leaves nothing", () => {
    const before = join(work, "before");
    writeImageManifest(files, before, edited([]), undefined);
    const using: typeof files = {
      ...files,
      openReader: (path) => {
        truncateSync(before, 1_000);
        return files.openReader(path);
      },
    };
    writeImageManifest(using, before, edited([]), undefined);
    expect(() => writeImageManifest(using, join(work, "path"), edited([]), before)).toThrow(
      expect.objectContaining({ retry: "transient" }),
    );
    expect(files.list(work)).toEqual(["before"]);
  });
});
