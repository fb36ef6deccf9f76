import { readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { BlobTaker } from "../../src/host/ports.ts";
import { contentOf, countingHost, HOST, load, loadWhole, options } from "./host.ts";
import { commit, fingerprint, git, repository, temporaryFolder } from "./repository.ts";

const blobFiles = (cache: string) =>
  readdirSync(join(cache, "blobs"), { recursive: true, encoding: "utf8" })
    .map((name) => join(cache, "blobs", name))
    .filter((path) => statSync(path).isFile());

describe("the cache", () => {
  test("a tree that was loaded before is not listed or read again, and nothing is written", async () => {
    const folder = repository({ "desired/host.yaml": HOST, "desired/l@": "x" });
    const { host: counted, calls } = countingHost();
    const settings = options(folder);
    const first = await loadWhole(counted, settings);
    expect(calls.sort()).toEqual(["discover", "listTree", "readBlobs", "readBlobs", "resolve", "uncommitted"]);
    const before = fingerprint(settings.cache);
    calls.length = 0;
    commit(folder, { other: "x" });
    const again = await loadWhole(counted, settings);
    expect(calls.sort()).toEqual(["discover", "resolve", "uncommitted"]);
    expect(fingerprint(settings.cache)).toBe(before);
    expect({ ...again, revision: "", subject: "" }).toEqual({ ...first, revision: "", subject: "" });
  });

  test("a new commit reads only the contents that are new", async () => {
    const folder = repository({ "desired/host.yaml": HOST, "desired/a": "1" });
    const { host: counted } = countingHost();
    const settings = options(folder);
    await loadWhole(counted, settings);
    commit(folder, { "desired/a": "2", "desired/copy": HOST });
    const read: (readonly string[])[] = [];
    const recording = {
      ...counted.git,
      readBlobs: (where: string, oids: readonly string[], taker: BlobTaker) => {
        read.push(oids);
        return counted.git.readBlobs(where, oids, taker);
      },
    };
    await loadWhole({ ...counted, git: recording }, settings);
    // Texts are kept with the index of their tree: they come along in the one process.
    expect(read).toEqual([
      [git(folder, "rev-parse", "HEAD:desired/host.yaml"), git(folder, "rev-parse", "HEAD:desired/a")],
    ]);
  });

  const damages: readonly (readonly [string, (path: string) => void])[] = [
    ["cut short", (path) => writeFileSync(path, "kin")],
    [
      "changed in place, with its size and time kept",
      (path) => {
        const { atime, mtime, size } = statSync(path);
        writeFileSync(path, "x".repeat(size));
        utimesSync(path, atime, mtime);
      },
    ],
    ["gone", (path) => renameSync(path, `${path}-gone`)],
  ];
  test.each(damages)("a content that was %s is put back", async (_what, damage) => {
    const folder = repository({ "desired/overlays/common/init": "#!/bin/sh\n" });
    const cache = join(temporaryFolder(), "cache");
    const first = await load(folder, { cache });
    damage(first.files[0]!.content);
    expect(await load(folder, { cache })).toEqual(first);
    expect(contentOf(first, "overlays/common/init")).toBe("#!/bin/sh\n");
    damage(first.files[0]!.content);
    commit(folder, { "desired/new": "" });
    expect(contentOf(await load(folder, { cache }), "overlays/common/init")).toBe("#!/bin/sh\n");
  });

  test("an index that was damaged is made again", async () => {
    const folder = repository({ "desired/host.yaml": HOST });
    const cache = join(temporaryFolder(), "cache");
    const first = await load(folder, { cache });
    const index = join(cache, "trees", `${first.treeHash}.json`);
    const text = readFileSync(index, "utf8");
    for (const damaged of ["", text.slice(0, -9), text.replace("host.yaml", "hxst.yaml")]) {
      writeFileSync(index, damaged);
      expect(await load(folder, { cache })).toEqual(first);
      expect(JSON.parse(readFileSync(index, "utf8")).tree.entries).toHaveLength(1);
    }
  });

  test("thousands of documents are one file of it: a first load does not wait for the disk once for each", async () => {
    const names = Array.from({ length: 40 }, (_, index) => `desired/volumes/v${index}.yaml`);
    const folder = repository(Object.fromEntries(names.map((name) => [name, `# ${name}\n${HOST}`])));
    const cache = join(temporaryFolder(), "cache");
    const first = await load(folder, { cache });
    expect(readdirSync(cache)).toEqual(["trees"]);
    expect(readdirSync(join(cache, "trees"))).toEqual([`${first.treeHash}.json`]);
    expect(await load(folder, { cache })).toEqual(first);
    expect(first.texts.get("volumes/v7.yaml")).toBe(`# desired/volumes/v7.yaml\n${HOST}`);
  });

  test("its files are for their owner alone", async () => {
    const folder = repository({ "desired/overlays/secret-sauce/x/key": "secret" });
    const cache = join(temporaryFolder(), "cache");
    await load(folder, { cache });
    expect(blobFiles(cache).map((path) => statSync(path).mode & 0o777)).toEqual([0o600]);
    expect(statSync(join(cache, "blobs")).mode & 0o777).toBe(0o700);
  });
});
