import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { TreeResource, VolumeResource } from "../../src/core/resource.ts";
import type { Draft, PlanContext } from "../../src/core/step.ts";
import { treeExecutors, treeObserver, treePlanner } from "../../src/resources/tree/index.ts";
import { createVolume } from "../../src/resources/volume/apply.ts";
import { Machine } from "../resources/machine.ts";

let machine: Machine;
let tree: TreeResource;
const around: PlanContext = { actionOf: () => undefined, adoptions: new Set() };

beforeEach(async () => {
  machine = new Machine();
  const path = join(machine.state, "volumes/busybox");
  const base = {
    name: "busybox",
    origin: { document: "Root/busybox", file: "desired/roots/busybox.yaml", line: 1, column: 1 },
    protect: false,
    onDelete: "retain",
  } as const;
  const volume: VolumeResource = {
    ...base,
    id: "volume/busybox",
    kind: "volume",
    identity: `path:${path}`,
    dependsOn: [],
    backend: "directory",
    path,
    device: "",
    size_bytes: undefined,
    filesystem: undefined,
    label: undefined,
    mountOptions: [],
    ownership: { owner: 0, group: 0 },
    mode: 0o755,
  };
  tree = {
    ...base,
    id: "tree/busybox",
    kind: "tree",
    identity: `tree:${path}/root`,
    dependsOn: ["volume/busybox"],
    volume: "volume/busybox",
    volumePath: path,
    path: `${path}/root`,
    source: {
      type: "mmdebstrap",
      suite: "bookworm",
      variant: "extract",
      include: ["busybox-static"],
      architecture: undefined,
      mirror: undefined,
      components: ["main"],
    },
    content: "managed",
    driftPolicy: "correct",
    laidPaths: [],
  };
  const draft: Draft = {
    operation: "volume.create",
    arguments: { resource: volume },
    action: "create",
    cause: "intentional",
    reason: "new",
  };
  await machine.apply(volume, draft, createVolume);
});
afterEach(() => machine.close());

async function plan(): Promise<Draft> {
  const owned = machine.records.get(tree.id);
  const observed = await treeObserver.observe(tree, owned, machine.observeContext());
  return treePlanner.plan(tree, observed, owned, around);
}

async function apply(draft: Draft) {
  const executors: Record<string, unknown> = treeExecutors;
  return machine.apply(tree, draft, executors[draft.operation] as never);
}

test("mmdebstrap fills a root once: drift is restored, and a lost root made again, from the tarball that is kept", async () => {
  await apply(await plan());
  expect(lstatSync(join(tree.path, "bin/busybox")).mode & 0o111).not.toBe(0);
  expect((await plan()).operation).toBe("keep");
  const [facts, tarball] = readdirSync(join(machine.cache, "sources"));
  expect([facts, tarball]).toEqual([expect.stringMatching(/\.json$/), expect.stringMatching(/\.tar$/)]);

  const busybox = readFileSync(join(tree.path, "bin/busybox"));
  writeFileSync(join(tree.path, "bin/busybox"), "broken");
  expect(await plan()).toMatchObject({ operation: "tree.restore", reason: "1 path differs: bin/busybox (content)" });
  await apply(await plan());
  expect(readFileSync(join(tree.path, "bin/busybox")).equals(busybox)).toBe(true);
  expect((await plan()).operation).toBe("keep");

  const before = lstatSync(join(machine.cache, "sources", tarball ?? "")).mtimeMs;
  machine.host.files.removeTree(tree.path, lstatSync(tree.path).ino);
  expect(await plan()).toMatchObject({ operation: "tree.create", cause: "corrective" });
  await apply(await plan());
  expect((await plan()).operation).toBe("keep");
  expect(lstatSync(join(machine.cache, "sources", tarball ?? "")).mtimeMs).toBe(before);
});

test("an interrupted bootstrap leaves no tarball that counts, and is swept by the next one", async () => {
  machine.killAfter = "tree.bootstrap";
  await expect(apply(await plan())).rejects.toThrow("killed");
  machine.killAfter = "";
  expect(existsSync(tree.path)).toBe(false);
  const sources = join(machine.cache, "sources");
  expect(readdirSync(sources).every((name) => name.startsWith("."))).toBe(true);
  await apply(await plan());
  expect(readdirSync(sources).filter((name) => name.startsWith("."))).toEqual([]);
});

test("a foreign mount inside a root stops its replacement and its removal", async () => {
  const inside = join(machine.top, "probe.mjs");
  mkdirSync(join(machine.top, "allowed"));
  writeFileSync(inside, probe());
  const run = ["--mount", "--propagation", "private", "--", process.execPath, "--experimental-ffi", inside];
  const text = execFileSync("unshare", run, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  expect(text.trim().split("\n")).toEqual([
    expect.stringMatching(/^cannot replace tree t: something is mounted at .*\/root\/proc$/),
    expect.stringMatching(/^cannot delete tree t: something is mounted at .*\/root\/proc$/),
    "bin proc",
  ]);
});

/** Runs in a mount namespace of its own, with the sources themselves. */
function probe(): string {
  const source = new URL("../../src/resources", import.meta.url).pathname;
  const machinePath = new URL("../resources/machine.ts", import.meta.url).pathname;
  return `
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { Machine, sha256 } from ${JSON.stringify(machinePath)};
import { treeExecutors } from "${source}/tree/index.ts";
import { createVolume } from "${source}/volume/apply.ts";
const machine = new Machine();
const path = machine.state + "/v";
const base = { name: "t", origin: {}, protect: false, onDelete: "destroy" };
const volume = { ...base, id: "volume/t", kind: "volume", identity: "v", dependsOn: [], backend: "directory", path,
  ownership: { owner: 0, group: 0 }, mode: 0o755, mountOptions: [] };
mkdirSync(machine.top + "/d/bin", { recursive: true });
mkdirSync(machine.top + "/d/proc");
const tarball = (name) => {
  const location = machine.top + "/" + name + ".tar";
  writeFileSync(machine.top + "/d/bin/sh", name);
  execFileSync("tar", ["-cf", location, "-C", machine.top + "/d", "."]);
  return { type: "tarball", location, sha256: sha256(location), sourceDate_s: 0 };
};
const tree = { ...base, id: "tree/t", kind: "tree", identity: "t", dependsOn: ["volume/t"], volume: "volume/t",
  volumePath: path, path: path + "/root", source: tarball("one"), content: "managed", driftPolicy: "correct", laidPaths: [] };
const step = (operation, args) => ({ operation, arguments: args, action: "x", cause: "intentional", reason: "x" });
await machine.apply(volume, step("volume.create", { resource: volume }), createVolume);
await machine.apply(tree, step("tree.create", { resource: tree }), treeExecutors["tree.create"]);
execFileSync("mount", ["-t", "tmpfs", "probe", tree.path + "/proc"]);
const say = (error) => console.log(error.message);
const newer = { ...tree, source: tarball("two") };
await machine.apply(tree, step("tree.replace", { resource: newer }), treeExecutors["tree.replace"]).catch(say);
const record = machine.records.get("tree/t");
await machine.apply(tree, step("tree.delete", { record }), treeExecutors["tree.delete"]).catch(say);
console.log(readdirSync(tree.path).join(" "));
execFileSync("umount", [tree.path + "/proc"]);
machine.close();
`;
}
