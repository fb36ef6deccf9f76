import { existsSync, mkdirSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { CollectInput } from "../../src/pack/collect.ts";
import { collectCaches } from "../../src/pack/collect.ts";
import { noteUse } from "../../src/pack/used.ts";
import { context, temporaryDirectory, writeTree } from "./workspace.ts";

const DAY_S = 86_400;
const oid = (digit: string) => digit.repeat(40);

describe("collecting the caches", () => {
  let cache: string;
  const now_s = Math.floor(Date.now() / 1000);
  const given = { ...context, now_ms: () => now_s * 1000 };

  function cached(path: string, age_days: number, content = "x"): string {
    writeTree(cache, { [path]: content });
    const full = join(cache, path);
    utimesSync(full, now_s - age_days * DAY_S, now_s - age_days * DAY_S);
    return full;
  }
  const collect = (fields: Partial<CollectInput> = {}) =>
    collectCaches(given, { cache, age_s: 30 * DAY_S, limit_bytes: 1 << 30, keep: [], dryRun: false, ...fields });
  const removed = (name: string, fields: Partial<CollectInput> = {}) =>
    collect(fields).find((each) => each.name === name)?.removedFiles;

  beforeEach(() => {
    cache = temporaryDirectory();
  });

  it("removes what was not used for so long, and leaves the rest", () => {
    const [old, young] = [cached("segments/ab/old", 31), cached("segments/ab/young", 29)];
    expect(removed("segments")).toBe(1);
    expect([existsSync(old), existsSync(young)]).toEqual([false, true]);
  });

  it("removes what was used longest ago until a cache is within its limit", () => {
    const paths = [3, 1, 2].map((age) => cached(`segments/ab/${age}`, age, "0123456789"));
    expect(removed("segments", { limit_bytes: 20 })).toBe(1);
    expect(paths.map((path) => existsSync(path))).toEqual([false, true, true]);
  });

  it("removes nothing in a dry run, and says the same", () => {
    const old = cached("answers/a", 40);
    expect(removed("answers", { dryRun: true })).toBe(1);
    expect(existsSync(old)).toBe(true);
    expect(removed("answers")).toBe(1);
  });

  it("keeps what it is told, however old", () => {
    const source = cached("sources/a.tar", 400);
    expect(removed("sources", { keep: [source], limit_bytes: 0 })).toBe(0);
    expect(existsSync(source)).toBe(true);
  });

  it("keeps contents that an index which stays names, and drops those of an index that goes", () => {
    cached("trees/now.json", 1, JSON.stringify({ contents: [[oid("a"), {}]] }));
    cached("trees/then.json", 90, JSON.stringify({ contents: [[oid("b"), {}]] }));
    const [needed, unneeded] = ["a", "b"].map((digit) => cached(`blobs/${digit}${digit}/${oid(digit)}`, 90));
    collect({ dryRun: true });
    collect();
    expect([existsSync(needed ?? ""), existsSync(unneeded ?? "")]).toEqual([true, false]);
  });

  it("leaves what is being written alone for a day, and other folders for good", () => {
    const [writing, left] = [cached("segments/ab/a.partial", 0.5), cached("segments/ab/b.partial", 2)];
    const mirror = cached("mirrors/a.git/HEAD", 400);
    expect(removed("segments", { limit_bytes: 0 })).toBe(1);
    expect([existsSync(writing), existsSync(left), existsSync(mirror)]).toEqual([true, false, true]);
  });

  it("takes an empty cache for nothing to do", () => {
    expect(collect().every(({ files, removedFiles }) => files + removedFiles === 0)).toBe(true);
  });

  it("finds a use in the file's own time, noted at most once a day", () => {
    mkdirSync(dirname(join(cache, "segments/ab/x")), { recursive: true });
    const [old, young] = [cached("segments/ab/x", 40), cached("segments/ab/y", 0.5)];
    const before = statSync(young).mtimeMs;
    for (const path of [old, young, join(cache, "none")]) noteUse(context.files, path, now_s * 1000);
    expect(statSync(old).mtimeMs).toBe(now_s * 1000);
    expect(statSync(young).mtimeMs).toBe(before);
    expect(removed("segments")).toBe(0);
  });
});
