import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readContent } from "../../src/pack/content.ts";
import { cutSegments } from "../../src/pack/cut.ts";
import { EntryList } from "../../src/pack/entry-list.ts";
import { EntryTable } from "../../src/pack/entry-table.ts";
import { nameLinkSets } from "../../src/pack/links.ts";
import { checkLimits, trailer } from "../../src/pack/newc.ts";
import { type ArchivedEntry, NewcReader } from "../../src/pack/newc-reader.ts";
import { comparePaths } from "../../src/pack/paths.ts";
import { buildSegment, type Segment, streamSegment } from "../../src/pack/segments.ts";
import type { PackEntry } from "../../src/pack/types.ts";
import { context, packEntry, sha256, temporaryDirectory } from "./workspace.ts";

const isRoot = process.getuid?.() === 0;

/** One byte a character: control bytes, spaces, quotes, bytes that are no UTF-8. Never `/`, NUL, `.` or `..`. */
const names = fc
  .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 12 })
  .map((bytes) => String.fromCharCode(...bytes).replaceAll("/", "_"))
  .filter((name) => name !== "." && name !== "..");
const leaves = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("file" as const),
      content: fc.uint8Array({ maxLength: 300 }),
      links: fc.array(names, { maxLength: 2 }),
    }),
  },
  fc.record({ type: fc.constant("symlink" as const), target: names }),
  fc.record({
    type: fc.constantFrom("character" as const, "block" as const),
    major: fc.nat(400),
    minor: fc.nat(70_000),
  }),
  fc.record({ type: fc.constant("fifo" as const) }),
);
const attributes = fc.record({
  mode: fc.integer({ min: 0o400, max: 0o777 }),
  owner: fc.nat(70_000),
  group: fc.nat(70_000),
  modified_s: fc.nat(0x7fff_ffff),
});
const wishes = fc.array(fc.tuple(fc.array(names, { minLength: 0, maxLength: 2 }), names, leaves, attributes), {
  maxLength: 12,
});

/** A whole tree with contents kept in `store`; wishes that cannot stand together are dropped. */
function makeEntries(store: string, list: Parameters<Parameters<typeof wishes.map>[0]>[0]): PackEntry[] {
  const entries = new Map<string, PackEntry>([["", packEntry("", { type: "directory" })]]);
  for (const [directories, name, leaf, fields] of list) {
    const parents = directories.map((_, index) => directories.slice(0, index + 1).join("/"));
    if (parents.some((path) => (entries.get(path)?.type ?? "directory") !== "directory")) continue;
    for (const path of parents) if (!entries.has(path)) entries.set(path, packEntry(path, { type: "directory" }));
    const at = (each: string) => [...directories, each].join("/");
    if (entries.has(at(name))) continue;
    if (leaf.type !== "file") {
      const size = leaf.type === "symlink" ? leaf.target.length : 0;
      entries.set(at(name), packEntry(at(name), { ...fields, ...leaf, size }));
      continue;
    }
    const digest = sha256(leaf.content);
    writeFileSync(join(store, digest), leaf.content);
    const source = { type: "file", path: join(store, digest) } as const;
    for (const path of [name, ...leaf.links].map(at)) {
      if (entries.has(path)) continue;
      const content = { size: leaf.content.length, sha256: digest, source, linkSet: at(name) };
      entries.set(path, packEntry(path, { ...fields, ...content }));
    }
  }
  const sorted = [...entries.values()].sort((a, b) => comparePaths(a.path, b.path));
  return [...nameLinkSets(EntryList.of(sorted))];
}

/** The segments, each with its entries. */
function cut(entries: readonly PackEntry[]): Segment[] {
  return cutSegments(EntryTable.of(entries));
}

function archiveOf(entries: readonly PackEntry[]): Buffer {
  return Buffer.concat([
    ...cut(entries).map((segment) =>
      buildSegment(segment, (entry, into) => readContent(context.files, entry, into, "fast")),
    ),
    trailer(),
  ]);
}

function readArchive(archive: Uint8Array, chunk_bytes: number): { entries: ArchivedEntry[]; contents: string[] } {
  const entries: ArchivedEntry[] = [];
  const contents: string[] = [];
  const reader = new NewcReader({
    entry: (entry) => {
      entries.push(entry);
      contents.push("");
    },
    content: (bytes) => {
      contents[contents.length - 1] += Buffer.from(bytes).toString("latin1");
    },
  });
  for (let at = 0; at < archive.length; at += chunk_bytes) reader.push(archive.subarray(at, at + chunk_bytes));
  expect(reader.finish()).toBeUndefined();
  return { entries, contents };
}

describe("the newc writer", () => {
  it("writes any tree so that the reader finds the same entries, in pieces of any size", () => {
    const store = temporaryDirectory();
    fc.assert(
      fc.property(wishes, fc.integer({ min: 1, max: 400 }), (list, chunk_bytes) => {
        const entries = makeEntries(store, list);
        const archive = archiveOf(entries);
        expect(archive.length % 4).toBe(0);
        const read = readArchive(archive, chunk_bytes);
        const byName = new Map(
          read.entries.map((entry, index) => [entry.name, { entry, content: read.contents[index] }]),
        );
        expect(byName.size).toBe(entries.length);
        for (const entry of entries) {
          const found = byName.get(entry.path === "" ? "." : entry.path);
          expect(found?.entry).toMatchObject({ owner: entry.owner, group: entry.group, modified_s: entry.modified_s });
          if (entry.type === "symlink") expect(found?.content).toBe(entry.target);
          if (entry.type !== "file" || (entry.linkSet !== "" && entry.linkSet !== entry.path)) continue;
          expect(sha256(Buffer.from(found?.content ?? "", "latin1"))).toBe(entry.sha256);
        }
      }),
      { numRuns: 300 },
    );
  });

  it.runIf(isRoot)("writes any tree so that GNU cpio and bsdcpio unpack it whole", () => {
    const work = temporaryDirectory();
    let run = 0;
    fc.assert(
      fc.property(wishes, (list) => {
        const entries = makeEntries(work, list);
        const archive = archiveOf(entries);
        for (const tool of ["cpio -idm --quiet", "bsdcpio -idm --quiet"]) {
          const out = join(work, `out-${run++}`);
          mkdirSync(out);
          execFileSync("sh", ["-c", tool], {
            cwd: out,
            input: archive,
            env: { PATH: process.env.PATH, LC_ALL: "C" },
          });
          for (const entry of entries) expectUnpacked(out, entry, entries);
        }
      }),
      { numRuns: 25 },
    );
  });

  it("writes the same bytes whole and streamed", () => {
    const store = temporaryDirectory();
    fc.assert(
      fc.property(wishes, (list) => {
        for (const segment of cut(makeEntries(store, list))) {
          const streamed = [...streamSegment(context.files, segment)].map((chunk) => Buffer.from(chunk));
          expect(
            Buffer.concat(streamed).equals(
              buildSegment(segment, (entry, into) => readContent(context.files, entry, into, "fast")),
            ),
          ).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("puts all names of a hard link set together, at the place of the last, with its content there", () => {
    const store = temporaryDirectory();
    writeFileSync(join(store, "x"), "x");
    const linked = {
      size: 1,
      sha256: sha256("x"),
      linkSet: "z",
      source: { type: "file", path: join(store, "x") },
    } as const;
    const entries = [packEntry("a", linked), packEntry("m"), packEntry("z", linked)];
    entries[1] = packEntry("m", { type: "fifo" });
    const read = readArchive(archiveOf(entries), 64);
    expect(read.entries.map(({ name, links, size, inode }) => [name, links, size, inode])).toEqual([
      ["m", 1, 0, 1],
      ["a", 2, 0, 2],
      ["z", 2, 1, 2],
    ]);
  });

  const beyond: readonly [string, Partial<PackEntry>, string][] = [
    ["a file of 4 GiB", { size: 0x1_0000_0000 }, "it is 4 GiB or larger"],
    ["an owner beyond 32 bits", { owner: 0x1_0000_0000 }, "its owner is no 32-bit number"],
    ["a group beyond 32 bits", { group: 0x1_0000_0000 }, "its group is no 32-bit number"],
    ["a time before 1970", { modified_s: -1 }, "its time is before 1970 or after 2106"],
    ["a time after 2106", { modified_s: 0x1_0000_0000 }, "its time is before 1970 or after 2106"],
    ["a path of 4096 bytes", { path: "p".repeat(4096) }, "its path is longer than 4095 bytes"],
  ];
  for (const [name, fields, why] of beyond) {
    it(`refuses ${name} and names it`, () => {
      expect(() => checkLimits(packEntry("usr/big", fields))).toThrow(why);
    });
  }

  it("accepts all that is just within the limits", () => {
    const most = 0xffff_ffff;
    const path = "p".repeat(4095);
    expect(() =>
      checkLimits(packEntry(path, { size: most, owner: most, group: most, modified_s: most })),
    ).not.toThrow();
  });
});

function expectUnpacked(out: string, entry: PackEntry, all: readonly PackEntry[]): void {
  if (entry.path === "") return;
  const path = Buffer.from(`${out}/${entry.path}`, "latin1");
  const stat = lstatSync(path);
  expect([stat.uid, stat.gid]).toEqual([entry.owner, entry.group]);
  if (entry.type !== "symlink") expect(stat.mode & 0o7777).toBe(entry.mode);
  if (entry.type === "file") {
    expect(sha256(readFileSync(path))).toBe(entry.sha256);
    expect(stat.mtimeMs / 1000).toBe(entry.modified_s);
    const links = all.filter((each) => entry.linkSet !== "" && each.linkSet === entry.linkSet).length;
    expect(stat.nlink).toBe(Math.max(1, links));
  }
  if (entry.type === "symlink") expect(readlinkSync(path, "latin1")).toBe(entry.target);
  if (entry.type === "fifo") expect(stat.isFIFO()).toBe(true);
  if (entry.type === "character") expect(stat.isCharacterDevice()).toBe(true);
  if (entry.type === "block") expect(stat.isBlockDevice()).toBe(true);
}

describe("the cuts between segments", () => {
  const files = Array.from({ length: 300 }, (_, index) =>
    packEntry(`d/${String(index).padStart(3, "0")}`, { size: 200_000 + index, sha256: sha256(String(index)) }),
  );
  const entries = [packEntry("d", { type: "directory" }), ...files];

  it("fall between half a MiB and 16 MiB", () => {
    const sizes = cut(entries).map((segment) => segment.raw_bytes);
    expect(sizes.length).toBeGreaterThan(8);
    for (const size of sizes.slice(0, -1)) expect(size).toBeGreaterThanOrEqual(1 << 19);
    for (const size of sizes) expect(size).toBeLessThanOrEqual(16 << 20);
  });

  it("stay where they are, but for one or two, when a file is added, removed or changed", () => {
    const before = new Set(cut(entries).map(({ key }) => key));
    const changes = [
      [...entries.slice(0, 150), packEntry("d/148a", { size: 77, sha256: sha256("new") }), ...entries.slice(150)],
      [...entries.slice(0, 150), ...entries.slice(151)],
      entries.map((entry) => (entry.path === "d/150" ? { ...entry, mode: 0o600 } : entry)),
    ];
    for (const changed of changes) {
      const made = cut(changed).filter(({ key }) => !before.has(key));
      expect(made.length).toBeLessThanOrEqual(2);
    }
  });

  it("never fall inside a hard link set", () => {
    const linked = entries.map((entry) => (entry.type === "file" ? { ...entry, linkSet: "d/299" } : entry));
    expect(cut(linked).filter((segment) => [...segment.entries()].some(({ linkSet }) => linkSet !== ""))).toHaveLength(
      1,
    );
  });
});
