import { execFileSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Bench } from "../../storage/bench.ts";
import type { Storage } from "../../storage/stage.ts";
import { zfsStage } from "../../storage/stage-zfs.ts";
import { whyNotMount } from "../private-namespace.ts";

let storage: Storage;
let bench: Bench;
let count = 0;

beforeAll(async () => {
  expect(whyNotMount()).toBeUndefined();
  storage = await zfsStage.open();
}, 600_000);
afterAll(() => storage.close());
beforeEach(() => {
  count += 1;
  bench = new Bench(storage, `zfs${count}`);
});
afterEach(() => bench.close());

const zfs = (...arguments_: readonly string[]): string => execFileSync("zfs", arguments_, { encoding: "utf8" });

describe("the marker of a dataset", () => {
  it("means nothing where it is inherited", async () => {
    await bench.converge();
    const { device } = bench.volume;
    zfs("create", "-o", "canmount=noauto", `${device}/child`);
    bench.volume = { ...bench.volume, device: `${device}/child`, identity: `dataset:${device}/child` };
    bench.machine.records.clear();
    expect((await bench.plan()).reason).toContain(`not made by Rootloom: its marker is inherited from ${device}`);
  });
});

describe("the place of a dataset", () => {
  it("is refused below a dataset that is not there, which nobody makes", async () => {
    bench.volume = { ...bench.volume, device: `${bench.volume.device}/deep/down` };
    const { blocked } = await bench.plan();
    expect(blocked?.message).toMatch(/its parent dataset .*\/deep is not there$/);
    expect(blocked?.hint).toMatch(/^zfs create -o canmount=off /);
  });

  it("cannot be looked at while its pool is not imported: that is not the same as gone", async () => {
    await bench.converge();
    bench.machine.limits = { ...bench.machine.limits, pools: ["absent"] };
    bench.volume = { ...bench.volume, device: "absent/x" };
    await expect(bench.plan()).rejects.toThrow(/cannot look at volume .*: the pool absent is not imported/);
  });
});

describe("destroying a dataset", () => {
  beforeEach(async () => {
    bench.volume = { ...bench.volume, onDelete: "destroy" };
    await bench.converge();
  });

  it("is refused while a dataset of somebody's is below it", async () => {
    zfs("create", "-o", "canmount=noauto", `${bench.volume.device}/theirs`);
    await expect(bench.apply(await bench.planRemoval())).rejects.toThrow(/datasets are below it: .*\/theirs/);
    expect(bench.isMounted()).toBe(true);
    expect(zfs("list", "-H", "-o", "name", `${bench.volume.device}/theirs`)).toContain("/theirs");
  });

  it("is refused while somebody's snapshot of it is there, and takes none of ours before", async () => {
    await bench.backend.snapshot(bench.volume, "ours", bench.working());
    zfs("snapshot", `${bench.volume.device}@theirs`);
    await expect(bench.apply(await bench.planRemoval())).rejects.toThrow(/@theirs is not made by Rootloom/);
    expect(bench.isMounted()).toBe(true);
    expect(zfs("list", "-H", "-r", "-t", "snapshot", "-o", "name", bench.volume.device)).toContain("@ours");
  });

  it("spares a snapshot that somebody takes meanwhile, and with it the dataset", async () => {
    await bench.backend.snapshot(bench.volume, "ours", bench.working());
    const draft = await bench.planRemoval();
    const { processes } = bench.machine.host;
    const run = processes.run.bind(processes);
    let looks = 0;
    vi.spyOn(processes, "run").mockImplementation(async (command) => {
      const finished = await run(command);
      const [verb, ...words] = command.arguments ?? [];
      if (verb === "get" && words.includes("-H") && words.includes("origin")) looks++;
      // The second look for clones: all was found to be ours.
      if (looks === 2) {
        zfs("snapshot", `${bench.volume.device}@theirs`);
        looks++;
      }
      return finished;
    });
    await expect(bench.apply(draft)).rejects.toThrow(/^cannot destroy /);
    expect(zfs("list", "-H", "-r", "-t", "snapshot", "-o", "name", bench.volume.device)).toContain("@theirs");
  });

  it("leaves a clone of ours whole, which takes over what they shared", async () => {
    bench.write("file", "shared");
    const origin = bench.volume;
    await bench.backend.snapshot(origin, "first", bench.working());
    const clone = bench.declare(`${origin.name}-clone`);
    await bench.backend.cloneFrom({ volume: origin, snapshot: "first", note: "" }, clone, bench.working());
    const draft = await bench.planRemoval();
    await bench.apply(draft);
    bench.volume = clone;
    await bench.converge();
    expect(bench.read("file")).toBe("shared");
    expect(zfs("get", "-H", "-o", "value", "origin", clone.device).trim()).toBe("-");
  });

  it("is refused while somebody's clone of it is there", async () => {
    await bench.backend.snapshot(bench.volume, "first", bench.working());
    zfs("clone", "-o", "canmount=noauto", `${bench.volume.device}@first`, `${bench.volume.device}-theirs`);
    await expect(bench.apply(await bench.planRemoval())).rejects.toThrow(
      /-theirs was cloned from it, and is not made by/,
    );
  });
});

describe("a snapshot of somebody's", () => {
  it("is not listed, not removed, and keeps its name", async () => {
    await bench.converge();
    zfs("snapshot", `${bench.volume.device}@theirs`);
    const working = bench.working();
    expect(await bench.backend.snapshots(bench.volume, working)).toEqual([]);
    await expect(bench.backend.removeSnapshot(bench.volume, "theirs", working)).rejects.toThrow(/not made by Rootloom/);
    await expect(bench.backend.snapshot(bench.volume, "theirs", working)).rejects.toThrow(/there is one, not made by/);
  });
});
