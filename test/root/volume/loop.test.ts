import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Bench } from "../../storage/bench.ts";
import type { Storage } from "../../storage/stage.ts";
import { loopStages } from "../../storage/stages-host.ts";
import { whyNotMount } from "../private-namespace.ts";

let storage: Storage;
let bench: Bench;
let count = 0;

beforeAll(async () => {
  expect(whyNotMount()).toBeUndefined();
  storage = (await loopStages[0]?.open()) as Storage;
});
afterAll(() => storage.close());
beforeEach(() => {
  count += 1;
  bench = new Bench(storage, `loop${count}`);
});
afterEach(() => bench.close());

/** The bytes of a btrfs image while it is mounted and one file in it was synced alone, which is in its log and nowhere else. */
function leaveLog(device: string, path: string): void {
  const place = `${path}.soil`;
  mkdirSync(place);
  execFileSync("mount", ["-t", "btrfs", "-o", "loop", device, place]);
  execFileSync("dd", ["if=/dev/zero", `of=${place}/data/late`, "bs=64k", "count=1", "conv=fsync", "status=none"]);
  execFileSync("cp", ["--reflink=always", device, `${device}.dirty`]);
  execFileSync("umount", [place]);
  execFileSync("cp", ["--reflink=always", `${device}.dirty`, device]);
}

const message = async () => (await bench.plan()).blocked?.message ?? "";

describe("an image that is not the one that was marked", () => {
  it("is foreign when another took its place, also while the first is still mounted", async () => {
    await bench.converge();
    const { device } = bench.volume;
    copyFileSync(device, `${device}.other`);
    renameSync(`${device}.other`, device);
    expect(await message()).toContain("a copy: its marker names another object");
  });

  it("is foreign when somebody made a new filesystem in it", async () => {
    await bench.converge();
    bench.unmount();
    execFileSync("mkfs.ext4", ["-q", "-F", bench.volume.device]);
    expect(await message()).toContain("not with the filesystem that was marked");
  });

  it("is foreign with signatures of several things, and cannot be adopted", async () => {
    await bench.converge();
    bench.unmount();
    // The head of a squashfs 4, before the superblock of ext4.
    const head = Buffer.alloc(96);
    head.write("hsqs");
    head.writeUInt16LE(4, 28);
    execFileSync("dd", [`of=${bench.volume.device}`, "conv=notrunc", "status=none"], { input: head });
    expect(await message()).toContain("signatures of several things");
    expect((await bench.plan(true)).blocked?.hint).toBe(`move ${bench.volume.device} away`);
  });

  it("is foreign without a filesystem that we know, and cannot be adopted", async () => {
    execFileSync("truncate", ["--size=64M", bench.volume.device]);
    expect(await message()).toContain("an image with no known filesystem, not made by Rootloom");
    expect((await bench.plan(true)).blocked?.hint).toBe(`move ${bench.volume.device} away`);
    execFileSync("mkswap", [bench.volume.device], { stdio: "ignore" });
    expect(await message()).toContain("an image with swap, not made by Rootloom");
  });
});

describe("an image of ours", () => {
  it("that holds another filesystem than is declared is left to a person", async () => {
    await bench.converge();
    bench.volume = { ...bench.volume, filesystem: "xfs" };
    expect(await message()).toMatch(/holds ext4, xfs is declared$/);
  });

  it("is not mounted while two loop devices stand for it", async () => {
    await bench.converge();
    bench.unmount();
    const { device } = bench.volume;
    const attached = [1, 2].map(() =>
      execFileSync("losetup", ["--find", "--show", device], { encoding: "utf8" }).trim(),
    );
    try {
      await expect(bench.converge()).rejects.toThrow(/it is attached twice, as/);
    } finally {
      for (const loop of attached) execFileSync("losetup", ["--detach", loop]);
    }
    await bench.converge();
  });

  it("is mounted from the loop device that a killed mount left", async () => {
    await bench.converge();
    bench.unmount();
    const loop = execFileSync("losetup", ["--find", "--show", bench.volume.device], { encoding: "utf8" }).trim();
    await bench.converge();
    const { sources } = await bench.backend.observe(bench.volume, bench.working());
    expect(sources).toEqual([loop]);
    bench.volume = { ...bench.volume, onDelete: "destroy" };
    await bench.converge();
    await bench.apply(await bench.planRemoval());
    expect(execFileSync("losetup", ["--list", "--noheadings"], { encoding: "utf8" })).not.toContain(`${loop} `);
  });

  it("is not made too small for its filesystem", async () => {
    bench.volume = { ...bench.volume, filesystem: "xfs", size_bytes: 64 * 2 ** 20 };
    const { blocked } = await bench.plan();
    expect([blocked?.message, blocked?.hint]).toEqual([
      `cannot create volume ${bench.volume.name}: 64.0 MiB is too small for xfs`,
      "declare 300.0 MiB or more",
    ]);
  });
});

describe("btrfs in an image", () => {
  it("is made, grown and labelled, and refuses snapshots, which nobody could mount", async () => {
    bench.volume = { ...bench.volume, filesystem: "btrfs" };
    await bench.converge();
    bench.volume = { ...bench.volume, size_bytes: storage.larger_bytes, label: "two words" };
    await bench.converge();
    await expect(bench.backend.snapshot(bench.volume, "first", bench.working())).rejects.toThrow(
      "a copy of a btrfs device is never mounted beside its origin",
    );
  });

  it("is read unmounted without a replay of its log, and without a write", async () => {
    bench.volume = { ...bench.volume, filesystem: "btrfs" };
    await bench.converge();
    bench.write("file", "before");
    bench.unmount();
    const { device } = bench.volume;
    leaveLog(device, bench.volume.path);
    const logged = () => execFileSync("btrfs", ["inspect-internal", "dump-super", device], { encoding: "utf8" });
    expect(logged()).toMatch(/^log_root\s+[1-9]/m);
    const bytes = storage.bytes?.(bench.volume);
    const attached = await bench.backend.attachReadOnly(bench.volume, undefined, bench.working());
    expect([attached.means, attached.frozen]).toEqual(["read from the unmounted image", true]);
    expect(bench.read("file", attached.path)).toBe("before");
    await attached.detach();
    expect(storage.bytes?.(bench.volume)).toBe(bytes);
    expect(logged()).toMatch(/^log_root\s+[1-9]/m);
  });
});

describe("a snapshot by hand", () => {
  it("beside those that we made is not listed, and not removed", async () => {
    await bench.converge();
    await bench.backend.snapshot(bench.volume, "ours", bench.working());
    const folder = `${bench.volume.device}.snapshots`;
    copyFileSync(`${folder}/ours`, `${folder}/theirs`);
    writeFileSync(`${folder}/theirs.json`, execFileSync("cat", [`${folder}/ours.json`]));
    const names = (await bench.backend.snapshots(bench.volume, bench.working())).map(({ name }) => name);
    expect(names).toEqual(["ours"]);
    await expect(bench.backend.removeSnapshot(bench.volume, "theirs", bench.working())).rejects.toThrow(
      "there is none that we made",
    );
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

describe("an image that took the place of ours while it was unmounted to be deleted", () => {
  it("stays", async () => {
    await bench.converge();
    bench.volume = { ...bench.volume, onDelete: "destroy" };
    await bench.converge();
    const draft = await bench.planRemoval();
    const { device } = bench.volume;
    const { processes } = bench.machine.host;
    const run = processes.run.bind(processes);
    vi.spyOn(processes, "run").mockImplementation(async (command) => {
      const finished = await run(command);
      if (command.file === "umount") {
        renameSync(device, `${device}.ours`);
        writeFileSync(device, "theirs");
      }
      return finished;
    });
    await expect(bench.apply(draft)).rejects.toThrow(/^cannot delete volume .* not made by Rootloom|a copy/);
    expect(readFileSync(device, "utf8")).toBe("theirs");
  });
});

describe("an image that is larger than what is free", () => {
  const TOO_MUCH_BYTES = 8 * 1024 ** 4;

  it("is refused with the figures, and nothing of it is made", async () => {
    bench.volume = { ...bench.volume, size_bytes: TOO_MUCH_BYTES };
    const figures = /^cannot make volume \S+: \S+ has \d+\.\d \w+ free, about 8\.0 TiB are needed$/;
    await expect(bench.converge()).rejects.toThrow(figures);
    expect(readdirSync(dirname(bench.volume.device)).filter((name) => name.includes(bench.volume.name))).toEqual([]);
  });

  it("is not grown to that", async () => {
    await bench.converge();
    const before = statSync(bench.volume.device).size;
    bench.volume = { ...bench.volume, size_bytes: TOO_MUCH_BYTES };
    await expect(bench.converge()).rejects.toThrow(/^cannot grow volume .* about 8\.0 TiB are needed$/);
    expect(statSync(bench.volume.device).size).toBe(before);
  });
});

describe("an image with a volume in it that was forgotten with its data", () => {
  it("is not deleted, and stays mounted", async () => {
    await bench.converge();
    bench.volume = { ...bench.volume, onDelete: "destroy" };
    await bench.converge();
    const notes = join(bench.volume.path, "data/kept/.rootloom");
    mkdirSync(notes, { recursive: true });
    writeFileSync(join(notes, "volume.json"), "{}");
    await expect(bench.apply(await bench.planRemoval())).rejects.toThrow(
      /another volume lies in it, at .*\/data\/kept$/,
    );
    expect(bench.isMounted()).toBe(true);
  });
});

describe("an image that is also mounted elsewhere", () => {
  it("is not deleted, and stays mounted at its own place", async () => {
    await bench.converge();
    bench.volume = { ...bench.volume, onDelete: "destroy" };
    await bench.converge();
    const place = join(bench.machine.top, "theirs");
    mkdirSync(place);
    execFileSync("mount", ["--bind", join(bench.volume.path, ".rootloom"), place]);
    const draft = await bench.planRemoval();
    await expect(bench.apply(draft)).rejects.toThrow(`it is also mounted at ${place}`);
    expect(bench.isMounted()).toBe(true);
    bench.unmount(place);
    await bench.apply(draft);
    expect(existsSync(bench.volume.device)).toBe(false);
  });
});
