import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileExcludes } from "../../src/pack/excludes.ts";
import { openHashCache } from "../../src/pack/hash-cache.ts";
import { readManifest, writeManifest } from "../../src/pack/manifest.ts";
import { comparePaths } from "../../src/pack/paths.ts";
import type { ManifestEntry } from "../../src/pack/types.ts";
import { context, sha256, temporaryDirectory } from "./workspace.ts";

const { files } = context;
const bytes = fc
  .array(fc.integer({ min: 1, max: 255 }), { maxLength: 20 })
  .map((codes) => String.fromCharCode(...codes));
const entries: fc.Arbitrary<ManifestEntry> = fc
  .record({
    path: fc.oneof(bytes, fc.constantFrom("-", ".", "#", "# end: 0 entries", "\\x41")),
    type: fc.constantFrom("file", "directory", "symlink", "character", "block", "fifo", "socket"),
    mode: fc.nat(0o7777),
    owner: fc.nat(),
    group: fc.nat(),
    modified_s: fc.integer(),
    size: fc.maxSafeNat(),
    sha256: fc.constantFrom("", sha256("x")),
    target: bytes,
    major: fc.nat(),
    minor: fc.nat(),
    linkSet: bytes,
    layer: fc.constantFrom("root", "hardware/a b", "-"),
  })
  .map((entry) => {
    const device = entry.type === "character" || entry.type === "block";
    return {
      ...entry,
      path: entry.path === "." ? ".x" : entry.path,
      major: device ? entry.major : 0,
      minor: device ? entry.minor : 0,
    };
  });

describe("a manifest file", () => {
  it("reads back exactly as it was written, whatever the names", () => {
    const path = join(temporaryDirectory(), "manifest");
    fc.assert(
      fc.property(fc.array(entries, { maxLength: 20 }), (list) => {
        writeManifest(files, path, list);
        expect([...readManifest(files, path)]).toEqual(list);
      }),
      { numRuns: 200 },
    );
  });

  it("is refused when it was cut short, lengthened, changed in form or is of another format", () => {
    const path = join(temporaryDirectory(), "manifest");
    const [entry] = fc.sample(entries, { numRuns: 1, seed: 1 });
    writeManifest(files, path, [entry!, entry!]);
    const lines = readFileSync(path, "latin1").split("\n");
    const variants: [string, string][] = [
      [lines.slice(0, 2).join("\n"), "it ends too early"],
      [[...lines.slice(0, 2), ...lines.slice(3)].join("\n"), "it ends too early"],
      [[...lines, lines[1]].join("\n"), "it goes on behind its last line"],
      [lines.join("\n").replace("\t", " "), "line 2 is damaged"],
      [lines.slice(1).join("\n"), "its first line is not that of a manifest of this version"],
      ["", "it ends too early"],
    ];
    for (const [text, why] of variants) {
      writeFileSync(path, text, "latin1");
      expect(() => [...readManifest(files, path)]).toThrow(why);
    }
  });

  it("that does not exist is named", () => {
    expect(() => [...readManifest(files, "/nonexistent")]).toThrow(
      "cannot read the manifest /nonexistent: it does not exist",
    );
  });
});

describe("the order of paths", () => {
  it("puts a directory directly before its contents", () => {
    const paths = ["a.b", "a/b", "a", "a-b", "a/b/c", "a/b-c", ""];
    expect(paths.sort(comparePaths)).toEqual(["", "a", "a/b", "a/b/c", "a/b-c", "a-b", "a.b"]);
  });
});

describe("excludes", () => {
  const covered = (patterns: string[], paths: string[]) => paths.filter(compileExcludes(patterns).covers);

  it("are anchored at the top", () => {
    expect(covered(["sys/*"], ["sys", "sys/a", "sys/a/b", "usr/include/sys/types.h"])).toEqual(["sys/a", "sys/a/b"]);
  });

  it("without a wildcard mean the path and all below", () => {
    expect(covered(["/usr/src/"], ["usr/src", "usr/src/linux/x", "usr/srcs"])).toEqual(["usr/src", "usr/src/linux/x"]);
  });

  it("match within one name by * and ?, leading dots too, and across names by **", () => {
    expect(covered(["root/*"], ["root/.bashrc"])).toEqual(["root/.bashrc"]);
    expect(covered(["usr/*/man"], ["usr/share/man", "usr/a/b/man", "usr/man"])).toEqual(["usr/share/man"]);
    expect(covered(["a?c"], ["abc", "ac", "a/c"])).toEqual(["abc"]);
    expect(covered(["**/*.pyc"], ["x.pyc", "a/b/x.pyc", "a/b/x.py"])).toEqual(["x.pyc", "a/b/x.pyc"]);
    expect(covered(["usr/**"], ["usr", "usr/a", "usr/a/b"])).toEqual(["usr/a", "usr/a/b"]);
  });

  it("take other special characters as they are", () => {
    expect(covered(["a.b", "c[d]", "é+"], ["axb", "a.b", "cd", "c[d]", "\u00c3\u00a9+"])).toEqual([
      "a.b",
      "c[d]",
      "\u00c3\u00a9+",
    ]);
  });

  it("know a directory whose contents are all left out", () => {
    const { mayCoverIn } = compileExcludes(["proc/*", "usr/src", "var/*/x"]);
    expect(["", "proc", "usr", "usr/lib", "var", "var/a", "var/a/b"].filter(mayCoverIn)).toEqual([
      "proc",
      "usr",
      "var/a",
    ]);
    expect(["", "deep/down"].filter(compileExcludes(["a/**/b"]).mayCoverIn)).toEqual(["", "deep/down"]);
    expect(compileExcludes([]).mayCoverIn("")).toBe(false);
    const { coversContents } = compileExcludes(["proc/*", "usr/src", "var/*/x"]);
    expect(["proc", "usr", "usr/src", "var/a"].filter(coversContents)).toEqual(["proc"]);
  });
});

describe("the hash cache", () => {
  const stat = { changed_ms: 0 } as Parameters<ReturnType<typeof openHashCache>["set"]>[2];

  it("keeps hashes between openings", () => {
    const cache = temporaryDirectory();
    const first = openHashCache(files, cache, "uuid:a/../b");
    first.set("1:2:3", sha256("x"), stat, 10_000);
    first.save();
    expect(openHashCache(files, cache, "uuid:a/../b").get("1:2:3")).toBe(sha256("x"));
    expect(openHashCache(files, cache, "other").get("1:2:3")).toBeUndefined();
  });

  it("keeps any number of them, each under its own key", () => {
    const cache = temporaryDirectory();
    const first = openHashCache(files, cache, "a");
    const keys = Array.from({ length: 10_000 }, (_, index) => `inode ${index}`);
    for (const key of keys) first.set(key, sha256(key), stat, 10_000);
    first.save();
    const second = openHashCache(files, cache, "a");
    for (const key of keys) expect(second.get(key)).toBe(sha256(key));
    expect(second.get("another")).toBeUndefined();
    second.set("inode 1", sha256("changed"), stat, 10_000);
    expect([second.get("inode 1"), second.get("inode 2")]).toEqual([sha256("changed"), sha256("inode 2")]);
  });

  it("drops what was long unseen once it outnumbers the rest, and nothing else", () => {
    const cache = temporaryDirectory();
    const first = openHashCache(files, cache, "a");
    for (let index = 0; index < 11_000; index++) first.set(`old ${index}`, sha256("old"), stat, 10_000);
    first.save();
    const second = openHashCache(files, cache, "a");
    expect(second.get("old 7")).toBe(sha256("old"));
    second.set("new", sha256("new"), stat, 10_000);
    second.save();
    const third = openHashCache(files, cache, "a");
    expect(["old 7", "old 8", "new"].map(third.get)).toEqual([sha256("old"), undefined, sha256("new")]);
  });

  it("does not keep the hash of a file that changed shortly before it was read", () => {
    const cache = openHashCache(files, temporaryDirectory(), "a");
    cache.set("young", sha256("x"), { ...stat, changed_ms: 9_000 }, 10_000);
    expect(cache.get("young")).toBeUndefined();
  });

  it("counts as empty wherever its file was damaged or cut", () => {
    const cache = temporaryDirectory();
    const path = join(cache, "hashes/a");
    const first = openHashCache(files, cache, "a");
    for (const key of ["one", "other"]) first.set(key, sha256(key), stat, 10_000);
    first.save();
    const bytes = readFileSync(path);
    for (let index = 0; index < bytes.length; index++) {
      const damaged = Buffer.from(bytes);
      damaged[index] = (damaged[index] ?? 0) ^ 1;
      writeFileSync(path, damaged);
      const found = ["one", "other"].map(openHashCache(files, cache, "a").get);
      expect(found, `byte ${index}`).toEqual([undefined, undefined]);
    }
    for (const length of [0, 84, 85, 100, 85 + 48, bytes.length - 1]) {
      writeFileSync(path, bytes.subarray(0, length));
      expect(openHashCache(files, cache, "a").get("one"), `${length} bytes`).toBeUndefined();
    }
    writeFileSync(path, bytes);
    expect(openHashCache(files, cache, "a").get("one")).toBe(sha256("one"));
  });
});
