import { hash } from "node:crypto";
import { chmodSync, cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { Files, Glance, JobContext } from "../../src/host/ports.ts";
import { jobTable } from "../../src/pack/jobs.ts";
import { joinShares } from "../../src/pack/shares.ts";
import { context, packInput, temporaryDirectory, treeLayer, writeTree } from "./workspace.ts";

const PARTS = ["usr/lib/one", "usr/lib/other"];
const long_ago_ms = Date.now() - 600_000;

let root: string;
/** What each walk is told to have seen: digests by path, and which parts had changed just then. */
let sight: Record<string, string>;
let young: readonly string[];
let onLook: () => void;
/** Directories that the last scan has entered, of those that are parts. */
let entered: string[];
let using: JobContext;

function glance(options: Parameters<Files["look"]>[1][number]): Glance {
  const part = (path: string) => ({
    path,
    digest: sight[path] ?? "as it was",
    changed_ms: young.includes(path) ? Date.now() : long_ago_ms,
  });
  const parts = PARTS.filter((path) => options.enter?.(path) !== false).map(part);
  return { upper: part(""), parts, expected: parts.length };
}

beforeEach(() => {
  const work = temporaryDirectory();
  root = join(work, "root");
  sight = {};
  young = [];
  onLook = () => undefined;
  writeTree(root, { init: "#!/bin/sh\n", "usr/file": "upper\n" });
  chmodSync(join(root, "init"), 0o755);
  for (const path of PARTS) writeTree(root, { [`${path}/deep/file`]: "first\n" });
  const files: Files = {
    ...context.files,
    look: (_, views) => {
      const seen = views.map(glance);
      onLook();
      return seen;
    },
    scan: (path, options = {}) => {
      entered = [];
      const enter = (directory: string) => {
        const isEntered = options.enter?.(directory) !== false;
        if (isEntered && PARTS.includes(directory)) entered.push(directory);
        return isEntered;
      };
      return context.files.scan(path, { ...options, enter });
    },
  };
  using = { ...context, files, now_ms: () => Date.now() };
});

/** The digest of the tree, and which of its parts were scanned for it. */
async function digest(): Promise<{ readonly digest: string | undefined; readonly scanned: readonly string[] }> {
  entered = [];
  const cache = temporaryDirectory();
  const [layer] = await jobTable.layers(packInput(cache, [treeLayer(root, undefined)]), using);
  return { digest: layer?.digest, scanned: entered };
}

const change = (path: string) => writeFileSync(join(root, path), `second ${path}\n`);

describe("a tree that is remembered", () => {
  it("is not scanned where all of it looks as it did", async () => {
    const before = await digest();
    expect(before.scanned).toEqual(PARTS);
    expect(await digest()).toEqual({ digest: before.digest, scanned: [] });
  });

  it("is scanned in the parts that look otherwise, and is then what a whole scan finds", async () => {
    const before = await digest();
    change("usr/lib/other/deep/file");
    sight = { "usr/lib/other": "another" };
    const after = await digest();
    expect(after.scanned).toEqual(["usr/lib/other"]);
    expect(after.digest).not.toBe(before.digest);
    const [whole] = await jobTable.layers(packInput(temporaryDirectory(), [treeLayer(root, undefined)]), context);
    expect(after.digest).toBe(whole?.digest);
    expect(await digest()).toEqual({ digest: after.digest, scanned: [] });
  });

  it("is scanned near its top where that looks otherwise, and not below", async () => {
    const before = await digest();
    change("usr/file");
    sight = { "": "another" };
    const after = await digest();
    expect(after.scanned).toEqual([]);
    expect(after.digest).not.toBe(before.digest);
  });

  it("is scanned once more where it had changed just when it was seen, as it may have changed again", async () => {
    young = ["usr/lib/one"];
    const before = await digest();
    change("usr/lib/one/deep/file");
    const after = await digest();
    expect(after.scanned).toEqual(["usr/lib/one"]);
    expect(after.digest).not.toBe(before.digest);
    young = [""];
    await digest();
    change("usr/file");
    expect((await digest()).digest).not.toBe(after.digest);
  });

  it("has the digest that it had where it is scanned once more and holds the same", async () => {
    young = ["usr/lib/one"];
    const before = await digest();
    expect(await digest()).toEqual({ digest: before.digest, scanned: ["usr/lib/one"] });
    change("usr/lib/one/deep/file");
    const after = await digest();
    const [whole] = await jobTable.layers(packInput(temporaryDirectory(), [treeLayer(root, undefined)]), context);
    expect(after.digest).toBe(whole?.digest);
  });

  it("is told of and packed as it was scanned for the same walk, also where it had changed just then", async () => {
    const work = temporaryDirectory();
    const manifest = join(work, "manifest");
    const input = packInput(work, [treeLayer(root, undefined)]);
    await jobTable.pack({ ...input, image: join(work, "image"), manifest }, using);
    young = ["usr/lib/one"];
    sight = { "usr/lib/one": "another" };
    change("usr/lib/one/deep/file");
    const looked = joinShares(await jobTable.look({ path: root, views: [[]] }, using)) ?? expect.unreachable();
    const [layer] = await jobTable.layers({ ...input, looked: { ...looked, walk: 1 } }, using);
    const lines = [expect.stringMatching(/^~ \/usr\/lib\/one\/deep\/file \(content/)];
    const difference = { added: 0, removed: 0, changed: 1, lines };
    for (const [walk, scanned] of [
      [1, []],
      [2, ["usr/lib/one"]],
    ] as const) {
      entered = [];
      const seen = { ...looked, walk };
      expect(await jobTable.difference({ ...input, manifest, seen }, using)).toEqual(difference);
      const again = { image: join(work, `image${walk}`), manifest: join(work, `manifest${walk}`), seen };
      const { layers } = await jobTable.pack({ ...input, ...again }, using);
      expect([layers, entered]).toEqual([[expect.objectContaining({ digest: layer?.digest })], scanned]);
    }
    expect(readFileSync(join(work, "image1")).equals(readFileSync(join(work, "image2")))).toBe(true);
  });

  it("is packed from a snapshot as that holds it, whatever was scanned of the tree in the same walk", async () => {
    const work = temporaryDirectory();
    const layer = { type: "tree", name: "root", path: root, identity: "test", sourceDate_s: undefined } as const;
    const input = packInput(work, [layer]);
    await jobTable.pack({ ...input, image: join(work, "image"), manifest: join(work, "manifest") }, using);
    young = ["usr/lib/one"];
    sight = { "usr/lib/one": "another" };
    const looked = joinShares(await jobTable.look({ path: root, views: [[]] }, using)) ?? expect.unreachable();
    const seen = { ...looked, walk: 1 };
    await jobTable.layers({ ...input, looked: seen }, using);
    const path = join(work, "snapshot");
    cpSync(root, path, { recursive: true });
    writeFileSync(join(path, "usr/lib/one/deep/file"), "of the snapshot\n");
    const source = { ...layer, snapshot: { path, mounted: [], moment_ms: long_ago_ms } };
    const manifest = join(work, "later");
    await jobTable.pack({ ...packInput(work, [source]), image: join(work, "image"), manifest, seen }, using);
    expect(readFileSync(manifest, "utf8")).toContain(hash("sha256", "of the snapshot\n"));
  });

  it("is looked at and scanned once more for packing where a content is not what was scanned for the same walk", async () => {
    const work = temporaryDirectory();
    const input = packInput(work, [treeLayer(root, undefined)]);
    await jobTable.pack({ ...input, image: join(work, "image"), manifest: join(work, "manifest") }, using);
    young = ["usr/lib/one"];
    sight = { "usr/lib/one": "another" };
    change("usr/lib/one/deep/file");
    const looked = joinShares(await jobTable.look({ path: root, views: [[]] }, using)) ?? expect.unreachable();
    const seen = { ...looked, walk: 1 };
    await jobTable.layers({ ...input, looked: seen }, using);
    writeFileSync(join(root, "usr/lib/one/deep/file"), "at the last moment\n");
    const manifest = join(work, "later");
    await jobTable.pack({ ...input, image: join(work, "image"), manifest, seen }, using);
    expect(readFileSync(manifest, "utf8")).toContain(hash("sha256", "at the last moment\n"));
    expect(entered).toEqual(["usr/lib/one"]);
  });

  it("is not remembered where it changed between the walk that saw it and the one behind the scan", async () => {
    await digest();
    sight = { "usr/lib/other": "another" };
    onLook = () => {
      onLook = () => undefined;
      sight = { "usr/lib/other": "yet another" };
    };
    expect((await digest()).scanned).toEqual(["usr/lib/other"]);
    sight = { "usr/lib/other": "another" };
    expect((await digest()).scanned).toEqual(["usr/lib/other"]);
  });
});
