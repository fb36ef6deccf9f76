import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bench, unmountBelow } from "../../storage/bench.ts";
import type { Storage } from "../../storage/stage.ts";
import { directoryStage } from "../../storage/stages-host.ts";
import { whyNotMount } from "../private-namespace.ts";

let storage: Storage;
let bench: Bench;

/** On a filesystem that shares no blocks. */
beforeEach(async () => {
  expect(whyNotMount()).toBeUndefined();
  storage = await directoryStage.open();
  bench = new Bench(storage, "plain");
  const plain = join(storage.folder, "plain-filesystem");
  mkdirSync(plain);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16M", "tmpfs", plain]);
  bench.volume = { ...bench.volume, path: join(plain, "volume"), identity: `path:${join(plain, "volume")}` };
  await bench.converge();
});
afterEach(async () => {
  unmountBelow(bench.volume.path);
  bench.close();
  await storage.close();
});

describe("a directory where no blocks can be shared", () => {
  it("says that a snapshot is a full copy, and takes it", async () => {
    const { snapshots, atomic, note } = await bench.backend.capabilities(bench.volume, bench.working());
    expect([snapshots, atomic]).toEqual(["copy", false]);
    expect(note).toContain("shares no blocks");
    bench.write("file", "before");
    await bench.backend.snapshot(bench.volume, "first", bench.working());
    bench.write("file", "after");
    const { path } = await bench.backend.attachReadOnly(bench.volume, "first", bench.working());
    expect(bench.read("file", path)).toBe("before");
  });
});

describe("a snapshot of a directory", () => {
  it("keeps hard links together and does not follow mounts in it", async () => {
    const { path } = bench.volume;
    writeFileSync(join(path, "one"), "same");
    mkdirSync(join(path, "deep"));
    linkSync(join(path, "one"), join(path, "deep/two"));
    for (const name of ["top", "deep/inner"]) {
      mkdirSync(join(path, name), { mode: 0o711 });
      execFileSync("mount", ["-t", "tmpfs", "theirs", join(path, name)]);
      writeFileSync(join(path, name, "secret"), "of another filesystem");
    }
    await bench.backend.snapshot(bench.volume, "first", bench.working());
    const { path: copy } = await bench.backend.attachReadOnly(bench.volume, "first", bench.working());
    expect(statSync(join(copy, "one")).ino).toBe(statSync(join(copy, "deep/two")).ino);
    expect(readFileSync(join(copy, "deep/two"), "utf8")).toBe("same");
    expect([readdirSync(join(copy, "top")), readdirSync(join(copy, "deep/inner"))]).toEqual([[], []]);
  });

  it("with a name that not every backend could take is refused", async () => {
    for (const name of ["", ".", "../x", "a/b", "-a", "x".repeat(101)])
      await expect(bench.backend.snapshot(bench.volume, name, bench.working())).rejects.toThrow("it is no plain name");
  });
});
