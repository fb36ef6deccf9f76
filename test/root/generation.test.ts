import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Resource } from "../../src/core/resource.ts";
import { createFiles } from "../../src/host/real/files.ts";
import { createHost } from "../../src/host/real/host.ts";
import { beginSights } from "../../src/resources/sights.ts";
import { eventually } from "../kit.ts";
import type { Storage } from "../storage/stage.ts";
import { btrfsStage } from "../storage/stages-host.ts";
import { whyNotMount } from "./private-namespace.ts";

const mountNamespace = "/proc/self/ns/mnt";
const files = createFiles({ mountNamespace });
let storage: Storage;
let work: string;
/** A btrfs, a subvolume in it, and a tree in that. */
let top: string;
let volume: string;
let tree: string;
let count = 0;

beforeAll(async () => {
  expect(whyNotMount()).toBeUndefined();
  work = mkdtempSync(join(tmpdir(), "rootloom-generation-"));
  storage = await btrfsStage.open();
  top = storage.folder;
});
afterAll(async () => {
  await storage.close();
  rmSync(work, { recursive: true });
});
beforeEach(() => {
  volume = join(top, `volume${++count}`);
  tree = join(volume, "root");
  btrfs("subvolume", "create", volume);
  mkdirSync(join(tree, "etc/inner"), { recursive: true });
  for (const path of ["file", "etc/other", "etc/inner/deep"]) writeFileSync(join(tree, path), "content");
  execFileSync("sync"); // what stands in memory only is this test's own
});

/** What is said of a tree; other tests may have much to be written out, before which there is no answer. */
const generation = (path = tree) =>
  eventually("an answer of btrfs", 60_000, () => {
    const said = files.generation(path);
    if (said === undefined) execFileSync("sync");
    return said;
  });
const btrfs = (...words: readonly string[]) => execFileSync("btrfs", words, { stdio: "ignore" });
const at = (path: string) => join(tree, path);

const CHANGES: Readonly<Record<string, () => void>> = {
  "bytes written over others": () => {
    const file = openSync(at("etc/inner/deep"), "r+");
    writeSync(file, "CON", 0);
    closeSync(file);
  },
  "bytes written through a mapping": () =>
    execFileSync("python3", [
      "-c",
      "import mmap, sys\nwith open(sys.argv[1], 'r+b') as file, mmap.mmap(file.fileno(), 0) as map: map[0:2] = b'XY'",
      at("file"),
    ]),
  "bytes added": () => appendFileSync(at("file"), "more"),
  "a file cut short": () => truncateSync(at("file"), 3),
  "a new file": () => writeFileSync(at("etc/inner/new"), ""),
  "a file removed": () => unlinkSync(at("etc/inner/new")),
  "a file renamed": () => renameSync(at("etc/other"), at("etc/another")),
  "another name": () => linkSync(at("file"), at("etc/inner/name")),
  "a link": () => symlinkSync("file", at("link")),
  "a mode": () => chmodSync(at("etc/inner/deep"), 0o600),
  "an owner": () => chownSync(at("etc/inner"), 1, 1),
  "a time": () => utimesSync(at("file"), 1, 1),
  "an attribute": () => execFileSync("setfattr", ["-n", "user.some", "-v", "thing", at("file")]),
};

describe("what btrfs says of a tree", () => {
  it("is another thing after each change, whatever it is, and the same without one", async () => {
    let before = await generation();
    expect(before).toMatch(/^\d+ [0-9a-f]{32} \d+ \d+$/);
    for (const [what, change] of Object.entries(CHANGES)) {
      expect([what, await generation()]).toEqual([what, before]);
      change();
      const after = await generation();
      expect([what, after === before]).toEqual([what, false]);
      before = after;
    }
  });

  it("does not change with what happens elsewhere on the filesystem", async () => {
    const before = await generation();
    writeFileSync(join(top, "elsewhere"), "x");
    expect(await generation()).toBe(before);
  });

  it("is another thing for another tree of the subvolume, for a copy, and for what stands there instead", async () => {
    const before = await generation();
    mkdirSync(join(volume, "second"));
    expect(await generation(join(volume, "second"))).not.toBe(await generation());
    btrfs("subvolume", "snapshot", volume, `${volume}-copy`);
    const uuidOf = (said: string) => said.split(" ")[1];
    expect(uuidOf(await generation(`${volume}-copy/root`))).not.toBe(uuidOf(before));
    renameSync(volume, `${volume}-old`);
    renameSync(`${volume}-copy`, volume);
    expect(uuidOf(await generation())).not.toBe(uuidOf(before));
  });

  it("is another thing where the same is mounted once more, as another filesystem may be", async () => {
    const place = join(work, "again");
    mkdirSync(place);
    execFileSync("mount", ["--bind", volume, place]);
    try {
      expect(await generation(join(place, "root"))).not.toBe(await generation());
    } finally {
      execFileSync("umount", [place]);
    }
  });

  it("is nothing where a subvolume lies in the tree, for its changes are its own", async () => {
    btrfs("subvolume", "create", join(volume, "beside"));
    btrfs("subvolume", "create", join(volume, "root.d"));
    await generation();
    btrfs("subvolume", "create", at("etc/inner/below"));
    expect(files.generation(tree)).toBeUndefined();
    expect(files.generation(at("etc/inner"))).toBeUndefined();
    btrfs("subvolume", "delete", at("etc/inner/below"));
    await generation();
  });

  it("is nothing where something is mounted in the tree", async () => {
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", at("etc")]);
    try {
      expect(files.generation(tree)).toBeUndefined();
      expect(files.generation(at("etc"))).toBeUndefined();
    } finally {
      execFileSync("umount", [at("etc")]);
    }
    await generation();
  });

  it("is nothing on another filesystem, where nothing is, and where much is to be written out first", async () => {
    expect(files.generation(work)).toBeUndefined();
    expect(files.generation(at("missing"))).toBeUndefined();
    expect(files.generation(at("file"))).toBeUndefined();
    writeFileSync(join(top, "much"), Buffer.alloc(32 << 20, "much"));
    expect(files.generation(tree)).toBeUndefined();
    await generation();
  });
});

describe("a pass over a tree that btrfs says is as it was", () => {
  it("does not walk it, and sees what it saw; after a change it walks again", async () => {
    const host = createHost({ mountNamespace });
    let walks = 0;
    const run = ((name, input, options) => {
      if (name === "look") walks++;
      return host.jobs.run(name, input, options);
    }) as typeof host.jobs.run;
    const counting = { ...host, jobs: { ...host.jobs, run, width: 1 } };
    const look = async (): Promise<readonly [number, string | undefined]> => {
      walks = 0;
      const sights = beginSights(counting, { cache: work, state: work }, undefined);
      sights.expect([{ kind: "tree", path: tree, content: "managed" } as Resource]);
      const sight = await sights.of(tree, []);
      return [walks, sight?.digest];
    };
    await new Promise((resolve) => setTimeout(resolve, 2_100)); // what has just changed can change once more within one tick
    const [, digest] = await look();
    for (let walked = 1, passes = 1; walked > 0; passes++) {
      await generation();
      const seen = await look();
      expect([passes > 30, seen]).toEqual([false, [expect.any(Number), digest]]);
      [walked] = seen;
    }
    CHANGES["bytes written over others"]?.();
    const [walked, after] = await look();
    expect([walked, after === digest]).toEqual([1, false]);
  });
});
