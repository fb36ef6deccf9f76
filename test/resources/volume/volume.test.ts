import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { VolumeResource } from "../../../src/core/resource.ts";
import type { Draft, PlanContext } from "../../../src/core/step.ts";
import { volumeExecutors, volumeObserver, volumePlanner } from "../../../src/resources/volume/index.ts";
import { Machine } from "../machine.ts";

let machine: Machine;
let volume: VolumeResource;
const around: PlanContext = { actionOf: () => undefined, adoptions: new Set() };

beforeEach(() => {
  machine = new Machine();
  const path = join(machine.state, "volumes/debian");
  volume = {
    id: "volume/debian",
    kind: "volume",
    name: "debian",
    identity: `path:${path}`,
    dependsOn: [],
    origin: { document: "Volume/debian", file: "desired/volumes/debian.yaml", line: 1, column: 1 },
    protect: false,
    onDelete: "retain",
    backend: "directory",
    path,
    device: "",
    size_bytes: undefined,
    filesystem: undefined,
    label: undefined,
    mountOptions: [],
    ownership: { owner: "daemon", group: "daemon" },
    mode: 0o751,
  };
});
afterEach(() => machine.close());

async function plan(adoptions: PlanContext = around): Promise<Draft> {
  const owned = machine.records.get(volume.id);
  const observed = await volumeObserver.observe(volume, owned, machine.observeContext());
  return volumePlanner.plan(volume, observed, owned, adoptions);
}

async function planRemoval(): Promise<Draft> {
  const record = machine.records.get(volume.id)!;
  return volumePlanner.planRemoval(record, await volumeObserver.observeRemoved(record, machine.observeContext()));
}

async function apply(draft: Draft) {
  const executors: Record<string, unknown> = volumeExecutors;
  return machine.apply(volume, draft, executors[draft.operation] as never);
}

describe("a created volume", () => {
  test("has its owner, mode and marker, and the next plan keeps it", async () => {
    expect((await apply(await plan())).result).toBe("created");
    const { uid, gid, mode } = statSync(volume.path);
    expect({ uid, gid, mode: mode & 0o7777 }).toEqual({ uid: 1, gid: 1, mode: 0o751 });
    expect(statSync(join(volume.path, ".rootloom")).mode & 0o7777).toBe(0o700);
    expect((await plan()).operation).toBe("keep");
  });

  test("of which the creation was killed before the rename leaves nothing for a volume, and is made whole later", async () => {
    machine.killBefore = "volume.create";
    await expect(apply(await plan())).rejects.toThrow("killed");
    machine.killBefore = "";
    mkdirSync(join(machine.state, "volumes"), { recursive: true });
    const half = join(machine.state, "volumes", ".rootloom-01234567-deadbeef-debian");
    mkdirSync(join(half, ".rootloom"), { recursive: true });
    await apply(await plan());
    expect(readdirSync(join(machine.state, "volumes"))).toEqual(["debian"]);
  });

  test("that was killed between the rename and its record is found, and recorded", async () => {
    machine.killAfter = "volume.create";
    await expect(apply(await plan())).rejects.toThrow("killed");
    machine.killAfter = "";
    const draft = await plan();
    expect(draft).toMatchObject({ operation: "volume.update", cause: "corrective" });
    await apply(draft);
    expect((await plan()).operation).toBe("keep");
  });

  test("whose mode and owner were changed by hand is corrected", async () => {
    await apply(await plan());
    machine.host.files.setAttributes(volume.path, { owner: 0, group: 0, mode: 0o777 });
    const draft = await plan();
    expect(draft).toMatchObject({
      cause: "corrective",
      reason: "mode is 0777, 0751 is declared; owner is 0:0, daemon:daemon is declared",
    });
    await apply(draft);
    expect((await plan()).operation).toBe("keep");
  });
});

describe("what is not ours", () => {
  test.each([
    ["a directory", () => mkdirSync(volume.path, { recursive: true }), "is a directory with 0 entries"],
    ["a file", () => writeFileSync(volume.path, "x"), "is a file"],
    ["a link", () => symlinkSync("/", volume.path), "is a symbolic link"],
  ])("%s is refused and left as it is", async (_name, make, what) => {
    mkdirSync(join(machine.state, "volumes"));
    make();
    const before = statSync(volume.path, { throwIfNoEntry: false })?.ctimeMs;
    expect((await plan()).blocked?.message).toContain(what);
    expect(statSync(volume.path, { throwIfNoEntry: false })?.ctimeMs).toBe(before);
  });

  test("shows what is in it without the characters that would write on a terminal", async () => {
    mkdirSync(join(volume.path, "a\u001b[2Kb\nc"), { recursive: true });
    const { operation, details } = await plan();
    expect([operation, details]).toEqual(["volume.adopt", ["type: directory", "in it: a\\x1b[2Kb\\x0ac"]]);
  });

  test("a copy of a volume, marker and all, is foreign", async () => {
    await apply(await plan());
    const copy = join(machine.state, "volumes/copy");
    cpSync(volume.path, copy, { recursive: true });
    volume = { ...volume, name: "debian", path: copy };
    machine.records.clear();
    expect((await plan()).blocked?.message).toContain("a copy: its marker names another object");
  });

  test("a volume of another installation is foreign", async () => {
    await apply(await plan());
    const marker = join(volume.path, ".rootloom/volume.json");
    writeFileSync(marker, readFileSync(marker, "utf8").replace(machine.instance, "f".repeat(32)));
    expect((await plan()).blocked?.message).toContain("made by another installation (ffffffff)");
  });

  test("is taken with its content when it was adopted", async () => {
    mkdirSync(volume.path, { recursive: true });
    writeFileSync(join(volume.path, "work"), "x");
    const draft = await plan({ ...around, adoptions: new Set(["volume/debian"]) });
    await apply(draft);
    expect(readFileSync(join(volume.path, "work"), "utf8")).toBe("x");
    expect((await plan()).operation).toBe("keep");
  });

  test("that appears between the plan and the step is not touched", async () => {
    const draft = await plan();
    mkdirSync(volume.path, { recursive: true });
    await expect(apply(draft)).rejects.toThrow("cannot create volume debian");
    expect(readdirSync(volume.path)).toEqual([]);
  });
});

describe("a removed declaration", () => {
  test("with destroy deletes the volume", async () => {
    volume = { ...volume, onDelete: "destroy" };
    await apply(await plan());
    writeFileSync(join(volume.path, "work"), "x");
    const draft = await planRemoval();
    expect(draft.destroys).toBe(`all data below ${volume.path}`);
    await apply(draft);
    expect(existsSync(volume.path)).toBe(false);
    expect(machine.records.size).toBe(0);
  });

  test("with destroy spares what took the volume's place after the plan", async () => {
    volume = { ...volume, onDelete: "destroy" };
    await apply(await plan());
    const draft = await planRemoval();
    rmSync(volume.path, { recursive: true });
    mkdirSync(volume.path);
    writeFileSync(join(volume.path, "precious"), "x");
    await expect(apply(draft)).rejects.toThrow("cannot delete volume debian");
    expect(readdirSync(volume.path)).toEqual(["precious"]);
  });

  test("with destroy spares a volume inside that was forgotten with its data", async () => {
    volume = { ...volume, onDelete: "destroy" };
    await apply(await plan());
    const inner = join(volume.path, "deep/inner");
    mkdirSync(join(inner, ".rootloom"), { recursive: true });
    writeFileSync(join(inner, ".rootloom/volume.json"), "{}");
    writeFileSync(join(inner, "precious"), "x");
    await expect(apply(await planRemoval())).rejects.toThrow(`another volume lies in it, at ${inner}`);
    expect(readFileSync(join(inner, "precious"), "utf8")).toBe("x");
    rmSync(inner, { recursive: true });
    await apply(await planRemoval());
    expect(existsSync(volume.path)).toBe(false);
  });

  test("with destroy spares a root that is to be kept", async () => {
    volume = { ...volume, onDelete: "destroy" };
    await apply(await plan());
    mkdirSync(join(volume.path, ".rootloom/trees"));
    writeFileSync(join(volume.path, ".rootloom/trees/debian.json"), "{}");
    expect((await planRemoval()).blocked?.message).toContain("tree/debian in it is to be kept");
  });
});
