import { appendFileSync, chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { Files } from "../../src/host/ports.ts";
import { jobTable } from "../../src/pack/jobs.ts";
import { joinShares } from "../../src/pack/shares.ts";
import { context, packInput, temporaryDirectory, treeLayer, writeTree } from "./workspace.ts";

describe("what a tree was seen to hold", () => {
  let root: string;
  let cache: string;
  let manifest: string;
  let reads: string[];

  /** The same files, telling what content and which caches were read. */
  const watched = () => {
    const files: Files = {
      ...context.files,
      readText: (path) => {
        reads.push(path);
        return context.files.readText(path);
      },
      openReader: (path) => {
        reads.push(path);
        return context.files.openReader(path);
      },
      openTreeReader: (tree, path) => {
        reads.push(path);
        return context.files.openTreeReader(tree, path);
      },
    };
    return { ...context, files };
  };
  const input = () => ({ path: root, identity: "test", cache, manifest, leaveOut: [] });
  const drift = (given = watched()) => jobTable.drift(input(), given);
  const layers = (given = watched()) => jobTable.layers(packInput(cache, [treeLayer(root)]), given);
  const answers = () => readdirSync(join(cache, "answers"));

  beforeEach(async () => {
    const top = temporaryDirectory();
    [root, cache, manifest] = [join(top, "root"), join(top, "cache"), join(top, "manifest")];
    for (const folder of [root, cache]) mkdirSync(folder);
    writeTree(root, { "bin/sh": "sh", "etc/motd": "hello" });
    await jobTable.record(input(), context);
    reads = [];
  });

  it("answers again without reading hashes, the manifest or any content, as long as every stamp is the same", async () => {
    const first = [await drift(), await layers()];
    reads = [];
    expect([await drift(), await layers()]).toEqual(first);
    expect(reads.every((path) => path.startsWith(join(cache, "answers/")))).toBe(true);
    expect(answers()).toHaveLength(2);
  });

  it("looks anew when content, mode, a name or the manifest is another", async () => {
    const before = (await layers())[0]?.digest;
    expect((await drift()).count).toBe(0);
    appendFileSync(join(root, "etc/motd"), "!");
    expect((await drift()).paths.map(({ path }) => path)).toEqual(["etc/motd"]);
    expect((await layers())[0]?.digest).not.toBe(before);
    chmodSync(join(root, "bin/sh"), 0o700);
    expect((await drift()).count).toBe(2);
    writeFileSync(join(root, "etc/new"), "");
    expect((await drift()).count).toBe(3);
    await jobTable.record(input(), context);
    expect((await drift()).count).toBe(0);
    expect(answers()).toHaveLength(2);
  });

  it("remembers nothing of a tree in which something changed a moment ago", async () => {
    await drift({ ...watched(), now_ms: Date.now });
    expect(() => answers()).toThrow("ENOENT");
  });

  it("answers twice for one walk where something has just changed, and scans for another walk of the same sight", async () => {
    const now = { ...watched(), now_ms: Date.now };
    let scans = 0;
    const scan: Files["scan"] = (path, options) => {
      scans++;
      return context.files.scan(path, options);
    };
    const counting = { ...now, files: { ...now.files, scan } };
    const sight = joinShares(await jobTable.look({ path: root, views: [[]] }, counting)) ?? expect.unreachable();
    expect(sight.settled).toBe(false);
    const ask = async (walk: number | undefined) => {
      const looked = { ...sight, walk };
      const [layer] = await jobTable.layers({ ...packInput(cache, [treeLayer(root)]), looked }, counting);
      return layer?.digest;
    };
    const first = await ask(1);
    expect(scans).toBe(1);
    expect(await ask(1)).toBe(first);
    expect(scans).toBe(1);
    expect(await ask(2)).toBe(first);
    expect(scans).toBe(2);
    for (const _ of [1, 2]) expect(await ask(undefined)).toBe(first);
    expect(scans).toBe(4);
    appendFileSync(join(root, "etc/motd"), "!");
    const other = joinShares(await jobTable.look({ path: root, views: [[]] }, counting)) ?? expect.unreachable();
    const looked = { ...other, walk: 2 };
    const [changed] = await jobTable.layers({ ...packInput(cache, [treeLayer(root)]), looked }, counting);
    expect(changed?.digest).not.toBe(first);
  });

  it("takes a sight of the same pass for a look of its own", async () => {
    const whole = joinShares(await jobTable.look({ path: root, views: [[]] }, context));
    expect(whole?.settled).toBe(true);
    await jobTable.drift({ ...input(), looked: whole }, watched());
    const blind = { ...context.files, look: () => expect.unreachable("it looked again") };
    expect((await jobTable.drift({ ...input(), looked: whole }, { ...context, files: blind })).count).toBe(0);
    appendFileSync(join(root, "etc/motd"), "!");
    const after = joinShares(await jobTable.look({ path: root, views: [[]] }, context));
    expect((await jobTable.drift({ ...input(), looked: after }, watched())).count).toBe(1);
  });

  it("keeps no answer that was found while the tree changed", async () => {
    const files: Files = {
      ...context.files,
      scan: function* (path, options) {
        yield* context.files.scan(path, options);
        writeFileSync(join(root, "etc/behind"), "");
      },
    };
    await drift({ ...context, files });
    expect(() => answers()).toThrow("ENOENT");
    expect((await drift()).count).toBe(1);
  });

  it("takes a damaged answer for none", async () => {
    await drift();
    const [name = ""] = answers();
    const path = join(cache, "answers", name);
    writeFileSync(path, readFileSync(path, "utf8").replace('"count":0', '"count":7'));
    expect((await drift()).count).toBe(0);
  });
});
