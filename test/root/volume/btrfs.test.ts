import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Bench } from "../../storage/bench.ts";
import type { Storage } from "../../storage/stage.ts";
import { btrfsStage } from "../../storage/stages-host.ts";
import { whyNotMount } from "../private-namespace.ts";

let storage: Storage;
let bench: Bench;
let count = 0;

beforeAll(async () => {
  expect(whyNotMount()).toBeUndefined();
  storage = await btrfsStage.open();
});
afterAll(() => storage.close());
beforeEach(() => {
  count += 1;
  bench = new Bench(storage, `btrfs${count}`);
});
afterEach(() => bench.close());

const MEBIBYTE = 2 ** 20;

describe("the size of a subvolume", () => {
  it("is a quota that holds, and may be lowered, but not below what is in it", async () => {
    await bench.converge();
    bench.write("file", "x".repeat(8 * MEBIBYTE));
    execFileSync("sync", ["--file-system", bench.volume.path]);
    bench.volume = { ...bench.volume, size_bytes: 32 * MEBIBYTE };
    await bench.converge();
    expect(() => bench.write("more", "x".repeat(32 * MEBIBYTE))).toThrow(/-122/); // EDQUOT
    bench.volume = { ...bench.volume, size_bytes: 2 * MEBIBYTE };
    await expect(bench.converge()).rejects.toThrow(/cannot limit volume .* to 2\.0 MiB: .* MiB are in it/);
  });

  it("is refused where quotas are not enabled, and says how they are", async () => {
    execFileSync("btrfs", ["quota", "disable", storage.folder]);
    try {
      const { blocked } = await bench.plan();
      expect(blocked?.message).toContain(`quotas are not enabled on the filesystem of ${storage.folder}`);
      expect(blocked?.hint).toContain("btrfs quota enable");
    } finally {
      execFileSync("btrfs", ["quota", "enable", storage.folder]);
    }
  });
});

describe("a directory in a subvolume's place", () => {
  it("is foreign and cannot be adopted", async () => {
    mkdirSync(bench.volume.path);
    const { blocked } = await bench.plan(true);
    expect(blocked?.message).toContain("a directory with 0 entries, not made by Rootloom");
    expect(blocked?.hint).toBe(`move ${bench.volume.path} away`);
  });
});

describe("a place that is not on btrfs", () => {
  it("is refused before anything is made", async () => {
    const path = join(bench.machine.state, "volumes/x");
    bench.volume = { ...bench.volume, path, device: path };
    expect((await bench.plan()).blocked?.message).toMatch(/is on \w+, not on btrfs$/);
  });
});

describe("a subvolume that was received", () => {
  it("with a marker of ours in it is foreign, and says where it comes from", async () => {
    await bench.converge();
    const { path } = bench.volume;
    const copy = `${path}-received`;
    execFileSync("btrfs", ["-q", "subvolume", "snapshot", "-r", path, `${path}-sent`]);
    mkdirSync(`${path}-in`);
    execFileSync("sh", ["-c", `btrfs -q send ${path}-sent | btrfs -q receive ${path}-in`]);
    execFileSync("btrfs", ["-q", "subvolume", "snapshot", `${path}-in/${path.split("/").at(-1)}-sent`, copy]);
    bench.volume = { ...bench.volume, path: copy, device: copy };
    bench.machine.records.clear();
    expect((await bench.plan()).blocked?.message).toMatch(
      /a subvolume with .* a copy: its marker names another object$/,
    );
  });
});

describe("another subvolume in it", () => {
  it("keeps it from being deleted, with nothing removed", async () => {
    bench.volume = { ...bench.volume, onDelete: "destroy" };
    await bench.converge();
    bench.write("file", "kept");
    execFileSync("btrfs", ["-q", "subvolume", "create", join(bench.volume.path, "theirs")]);
    writeFileSync(join(bench.volume.path, "theirs/precious"), "x");
    await expect(bench.planRemoval().then((draft) => bench.apply(draft))).rejects.toThrow(/cannot remove .*theirs/);
    expect(bench.read("file")).toBe("kept");
  });
});

describe("a snapshot of a subvolume", () => {
  it("takes no writes, and is no part of the next one", async () => {
    await bench.converge();
    bench.write("file", "x");
    await bench.backend.snapshot(bench.volume, "first", bench.working());
    await bench.backend.snapshot(bench.volume, "second", bench.working());
    const folder = join(bench.volume.path, ".rootloom/snapshots");
    expect(() => writeFileSync(join(folder, "first/data/file"), "y")).toThrow("EROFS");
    expect(readdirSync(join(folder, "second/.rootloom/snapshots")).filter((name) => name !== "first.json")).toEqual([
      "first",
    ]);
    expect(readdirSync(join(folder, "second/.rootloom/snapshots/first"))).toEqual([]);
  });
});

describe("a reading of the live volume", () => {
  it("removes what a killed one left, and no snapshot that only ends like it", async () => {
    await bench.converge();
    const names = async () => (await bench.backend.snapshots(bench.volume, bench.working())).map(({ name }) => name);
    await bench.backend.snapshot(bench.volume, "20261121T121500.123Z-none-reading", bench.working());
    await bench.backend.attachReadOnly(bench.volume, undefined, bench.working());
    expect(await names()).toHaveLength(2);
    bench.machine.run++;
    const { detach } = await bench.backend.attachReadOnly(bench.volume, undefined, bench.working());
    expect(await names()).toHaveLength(2);
    await detach();
    expect(await names()).toEqual(["20261121T121500.123Z-none-reading"]);
  });
});
