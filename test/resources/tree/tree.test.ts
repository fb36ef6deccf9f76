import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { TreeResource, VolumeResource } from "../../../src/core/resource.ts";
import type { Draft, PlanContext } from "../../../src/core/step.ts";
import { recoverTree, treeExecutors, treeObserver, treePlanner } from "../../../src/resources/tree/index.ts";
import { createVolume } from "../../../src/resources/volume/apply.ts";
import { Machine, sha256 } from "../machine.ts";

let machine: Machine;
let volume: VolumeResource;
let tree: TreeResource;
const around: PlanContext = { actionOf: () => undefined, adoptions: new Set() };

beforeEach(async () => {
  machine = new Machine();
  const path = join(machine.state, "volumes/debian");
  const base = {
    name: "debian",
    origin: { document: "Root/debian", file: "desired/roots/debian.yaml", line: 1, column: 1 },
    protect: false,
    onDelete: "destroy",
  } as const;
  volume = {
    ...base,
    id: "volume/debian",
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
    id: "tree/debian",
    kind: "tree",
    identity: `tree:${path}/root`,
    dependsOn: ["volume/debian"],
    volume: "volume/debian",
    volumePath: path,
    path: `${path}/root`,
    source: tarball("stage", { "etc/motd": "hello\n", "bin/sh": "#!\n" }),
    content: "managed",
    driftPolicy: "correct",
    laidPaths: [],
  };
  const create: Draft = {
    operation: "volume.create",
    arguments: { resource: volume },
    action: "create",
    cause: "intentional",
    reason: "new",
  };
  await machine.apply(volume, create, createVolume);
});
afterEach(() => machine.close());

/** A tarball of these files with a link, a hard link set and an odd name beside them. */
function tarball(name: string, files: Readonly<Record<string, string>>): TreeResource["source"] & { type: "tarball" } {
  const top = join(machine.top, `${name}.d`);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(top, path)), { recursive: true });
    writeFileSync(join(top, path), text);
  }
  mkdirSync(join(top, "var/lib"), { recursive: true });
  writeFileSync(join(top, "var/lib/one"), "twins");
  execFileSync("ln", [join(top, "var/lib/one"), join(top, "var/lib/two")]);
  writeFileSync(join(top, "var/lib/näme with\nnewline"), "odd");
  symlinkSync("motd", join(top, "etc/link"));
  const location = join(machine.top, `${name}.tar`);
  execFileSync("tar", ["--create", `--file=${location}`, `--directory=${top}`, "--owner=7", "--group=8", "."]);
  return { type: "tarball", location, sha256: sha256(location), sourceDate_s: 0 };
}

const CAPABILITY = "0100000200200000000000000000000000000000"; // cap_net_raw=ep

function setCapability(path: string): void {
  const script = "import os,sys; os.setxattr(sys.argv[1], 'security.capability', bytes.fromhex(sys.argv[2]))";
  execFileSync("python3", ["-c", script, path, CAPABILITY]);
}

function capabilityOf(path: string): string {
  const script =
    "import os,sys; p=sys.argv[1]; n='security.capability'; print(os.getxattr(p, n).hex() if n in os.listxattr(p) else '')";
  return execFileSync("python3", ["-c", script, path], { encoding: "utf8" }).trim();
}

async function plan(context: PlanContext = around): Promise<Draft> {
  const owned = machine.records.get(tree.id);
  const observed = await treeObserver.observe(tree, owned, machine.observeContext());
  return treePlanner.plan(tree, observed, owned, context);
}

async function apply(draft: Draft) {
  const executors: Record<string, unknown> = treeExecutors;
  return machine.apply(tree, draft, executors[draft.operation] as never);
}

async function applied(): Promise<void> {
  await apply(await plan());
}

const inside = (path: string) => join(tree.path, path);
const own = (path: string) => join(tree.volumePath, ".rootloom", path);

describe("a root from a tarball", () => {
  test("has the content and owners of its headers, and the next plan keeps it", async () => {
    expect((await apply(await plan())).result).toBe("created");
    expect(readFileSync(inside("etc/motd"), "utf8")).toBe("hello\n");
    expect(readlinkSync(inside("etc/link"))).toBe("motd");
    expect(lstatSync(inside("etc/motd"))).toMatchObject({ uid: 7, gid: 8 });
    expect(statSync(inside("var/lib/one")).ino).toBe(statSync(inside("var/lib/two")).ino);
    expect(readdirSync(own("build"))).toEqual([]);
    expect((await plan()).operation).toBe("keep");
  });

  test("with another hash than declared is not used, and nothing is left", async () => {
    tree = { ...tree, source: { ...tarball("other", { "etc/motd": "x" }), sha256: "0".repeat(64) } };
    await expect(apply(await plan())).rejects.toThrow(`${"0".repeat(64)} is declared`);
    expect(existsSync(tree.path)).toBe(false);
    expect(readdirSync(own("build"))).toEqual([]);
  });

  test("that is not there is said to be missing", async () => {
    tree = {
      ...tree,
      source: { type: "tarball", location: join(machine.top, "no.tar"), sha256: "0", sourceDate_s: 0 },
    };
    await expect(apply(await plan())).rejects.toThrow("no.tar is not there");
  });

  test("that does not look like a root is refused, and swept by the next creation", async () => {
    const good = tree.source;
    const folder = join(machine.top, "odd");
    mkdirSync(join(folder, "rootfs/bin"), { recursive: true });
    const location = join(machine.top, "odd.tar");
    execFileSync("tar", ["--create", `--file=${location}`, `--directory=${folder}`, "."]);
    tree = { ...tree, source: { type: "tarball", location, sha256: sha256(location), sourceDate_s: 0 } };
    await expect(apply(await plan())).rejects.toThrow("does not look like a root: it holds rootfs");
    expect(existsSync(tree.path)).toBe(false);
    tree = { ...tree, source: good };
    await applied();
    expect(readdirSync(own("build"))).toEqual([]);
  });
});

describe("a creation that was killed", () => {
  test("while extracting never counts as a root, and is made anew", async () => {
    machine.killAfter = "tree.build";
    await expect(applied()).rejects.toThrow("killed");
    machine.killAfter = "";
    expect(readdirSync(own("build"))).toHaveLength(1);
    expect(await plan()).toMatchObject({ operation: "tree.create", cause: "intentional" });
    await applied();
    expect(readdirSync(own("build"))).toEqual([]);
    expect((await plan()).operation).toBe("keep");
  });

  test("when it was whole is placed, and not built a second time", async () => {
    machine.killBefore = "tree.place";
    await expect(applied()).rejects.toThrow("killed");
    machine.killBefore = "";
    machine.effects.length = 0;
    expect((await plan()).reason).toBe("an interrupted run built it, and did not place it");
    await applied();
    expect(machine.effects).toEqual(["tree.place"]);
    expect((await plan()).operation).toBe("keep");
  });

  test("when it was placed and not recorded only gets its record", async () => {
    machine.killAfter = "tree.place";
    await expect(applied()).rejects.toThrow("killed");
    machine.killAfter = "";
    expect(await plan()).toMatchObject({ operation: "tree.update", cause: "corrective" });
    await applied();
    expect((await plan()).operation).toBe("keep");
  });
});

describe("what is not ours", () => {
  test("a populated directory in the root's place is refused and left as it is", async () => {
    mkdirSync(inside("bin"), { recursive: true });
    expect((await plan()).blocked?.hint).toBe("rootloom adopt tree/debian, or move it away");
    await expect(apply({ ...(await plan()), operation: "tree.create" } as Draft)).rejects.toThrow("cannot use tree");
    expect(readdirSync(tree.path)).toEqual(["bin"]);
  });

  test("a copy of a root beside its marker is foreign", async () => {
    await applied();
    execFileSync("cp", ["-a", tree.path, `${tree.path}.copy`]);
    rmSync(tree.path, { recursive: true });
    renameSync(`${tree.path}.copy`, tree.path);
    expect((await plan()).blocked?.message).toContain("a copy: its marker names another object");
  });

  test("an existing root waits on a volume that holds nothing but what its filesystem brought", async () => {
    tree = { ...tree, source: { type: "existing" }, content: "live", path: tree.volumePath };
    const lost = join(tree.path, "lost+found");
    mkdirSync(lost);
    expect((await plan()).blocked?.condition).toBe("Waiting");
    writeFileSync(join(lost, "#12"), "found");
    expect((await plan()).blocked).toBeUndefined();
  });

  test("an existing root is taken as it is, and its edits are nobody's drift", async () => {
    tree = { ...tree, source: { type: "existing" }, content: "live", path: tree.volumePath };
    expect((await plan()).blocked?.condition).toBe("Waiting");
    mkdirSync(inside("bin"));
    writeFileSync(inside("bin/sh"), "x");
    const draft = await plan();
    expect(draft).toMatchObject({ operation: "tree.adopt", action: "adopt" });
    await apply(draft);
    writeFileSync(inside("bin/vi"), "x");
    expect((await plan()).operation).toBe("keep");
    expect(readdirSync(tree.path)).toEqual([".rootloom", "bin"]);
  });

  test("a path that a link leads out of the volume is refused", async () => {
    mkdirSync(join(machine.state, "elsewhere"));
    symlinkSync(join(machine.state, "elsewhere"), join(tree.volumePath, "out"));
    tree = { ...tree, path: join(tree.volumePath, "out/root") };
    expect((await plan()).blocked?.message).toContain("leads out of its volume");
  });
});

describe("a managed root that was edited by hand", () => {
  test("is restored in content, mode, links, hard links and odd names; what was added is set aside", async () => {
    await applied();
    const before = listing();
    writeFileSync(inside("etc/motd"), "edited\n");
    chmodSync(inside("bin/sh"), 0o777);
    rmSync(inside("etc/link"));
    rmSync(inside("var"), { recursive: true });
    mkdirSync(inside("opt/new"), { recursive: true });
    writeFileSync(inside("opt/new/file"), "precious");
    const draft = await plan();
    expect(draft).toMatchObject({ operation: "tree.restore", action: "update", cause: "corrective" });
    expect(draft.details).toContain("etc/motd (content)");
    const outcome = await apply(draft);
    expect(listing()).toBe(before);
    expect((await plan()).operation).toBe("keep");
    const aside = outcome.notes?.[0]?.replace("what was added to it stands in ", "") ?? "";
    expect(readFileSync(join(aside, "opt/new/file"), "utf8")).toBe("precious");
  });

  test("is rid of what a killed write of ours left in it, and keeps no copy of that", async () => {
    await applied();
    const before = listing();
    writeFileSync(inside("etc/.rootloom-new-0123456789abcdef"), "half a fi");
    writeFileSync(inside("etc/.rootloom-new-precious"), "not ours");
    const outcome = await apply(await plan());
    expect(listing()).toBe(before);
    const aside = outcome.notes?.[0]?.replace("what was added to it stands in ", "") ?? "";
    expect(readdirSync(join(aside, "etc"))).toEqual([".rootloom-new-precious"]);
  });

  test("is restored with the capabilities of its files, those that a change of owner takes too", async () => {
    const top = join(machine.top, "stage.d");
    for (const name of ["bin/ping", "bin/tool"]) {
      writeFileSync(join(top, name), name);
      setCapability(join(top, name));
    }
    const location = join(machine.top, "stage.tar");
    const { uid, gid } = statSync(join(top, "bin/ping"));
    execFileSync("tar", [
      "--create",
      "--xattrs",
      "--xattrs-include=*",
      `--file=${location}`,
      `--directory=${top}`,
      ".",
    ]);
    tree = { ...tree, source: { type: "tarball", location, sha256: sha256(location), sourceDate_s: 0 } };
    await applied();
    rmSync(inside("bin/ping"));
    chownSync(inside("bin/tool"), 5, 5);
    expect(capabilityOf(inside("bin/tool"))).toBe("");
    await applied();
    expect(["bin/ping", "bin/tool"].map((name) => capabilityOf(inside(name)))).toEqual([CAPABILITY, CAPABILITY]);
    expect(statSync(inside("bin/tool"))).toMatchObject({ uid, gid });
    expect(readdirSync(own("build"))).toEqual([]);
  });

  test("notices a capability that was taken away or given by hand, and puts the recorded ones back", async () => {
    const top = join(machine.top, "stage.d");
    writeFileSync(join(top, "bin/ping"), "ping");
    setCapability(join(top, "bin/ping"));
    const location = join(machine.top, "stage.tar");
    const words = ["--create", "--xattrs", "--xattrs-include=*", `--file=${location}`, `--directory=${top}`, "."];
    execFileSync("tar", words);
    tree = { ...tree, source: { type: "tarball", location, sha256: sha256(location), sourceDate_s: 0 } };
    await applied();
    expect((await plan()).action).toBe("keep");
    setCapability(inside("bin/sh"));
    execFileSync("setfattr", ["-x", "security.capability", inside("bin/ping")]);
    const draft = await plan();
    expect(draft.details).toEqual(["bin/ping (extended attributes)", "bin/sh (extended attributes)"]);
    await applied();
    expect(["bin/ping", "bin/sh"].map((name) => capabilityOf(inside(name)))).toEqual([CAPABILITY, ""]);
    expect((await plan()).action).toBe("keep");
    execFileSync("ln", [inside("bin/ping"), inside("bin/second")]);
    expect((await plan()).details).toEqual(["bin/second (added)"]);
    await applied();
    expect((await plan()).action).toBe("keep");
  });

  test("does not see attributes where its record is of before they were recorded", async () => {
    await applied();
    const manifest = own("trees/debian.manifest");
    const lines = readFileSync(manifest, "latin1").split("\n");
    const old = lines.map((line) => (line.startsWith("#") ? line : line.split("\t").slice(0, 12).join("\t")));
    old[0] = (old[0] ?? "").replace("manifest 2", "manifest 1").replace(" attributes", "");
    writeFileSync(manifest, old.join("\n"), "latin1");
    setCapability(inside("bin/sh"));
    expect((await plan()).action).toBe("keep");
  });

  test("is restored where a directory became a link out of it, and nothing is written outside", async () => {
    await applied();
    const before = listing();
    const outside = join(machine.top, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "motd"), "not ours");
    rmSync(inside("etc"), { recursive: true });
    symlinkSync(outside, inside("etc"));
    await applied();
    expect(listing()).toBe(before);
    expect(readdirSync(outside)).toEqual(["motd"]);
    expect(readFileSync(join(outside, "motd"), "utf8")).toBe("not ours");
  });

  test("is restored where a file became a populated directory, which is set aside whole", async () => {
    await applied();
    const before = listing();
    rmSync(inside("etc/motd"));
    mkdirSync(inside("etc/motd"));
    writeFileSync(inside("etc/motd/x"), "kept");
    await applied();
    expect(listing()).toBe(before);
  });

  test("in paths that overlays laid or removed is not the tree's drift", async () => {
    await applied();
    writeFileSync(inside("etc/motd"), "an overlay's");
    chmodSync(inside("etc"), 0o700);
    rmSync(inside("var/lib"), { recursive: true });
    tree = { ...tree, laidPaths: ["etc/", "etc/motd", "var/lib"] };
    expect((await plan()).operation).toBe("keep");
  });

  test("by the directories that its own mounts needed is not drift", async () => {
    await applied();
    mkdirSync(inside("var/cache/distfiles"), { recursive: true });
    expect((await plan()).operation).toBe("tree.restore");
    const record = { ...machine.records.get(tree.id)!, id: "mount/debian:/var/cache/distfiles" } as const;
    machine.records.set(record.id, record);
    expect((await plan()).operation).toBe("keep");
  });

  test("is proposed for replacement when its tarball is gone", async () => {
    await applied();
    writeFileSync(inside("etc/motd"), "edited\n");
    rmSync((tree.source as { location: string }).location);
    expect(await plan()).toMatchObject({ operation: "tree.replace", replaces: true, cause: "corrective" });
  });

  test("cannot be restored from a tarball that changed: nothing is laid from it", async () => {
    await applied();
    writeFileSync(inside("etc/motd"), "edited\n");
    writeFileSync((tree.source as { location: string }).location, "no tarball any more");
    await expect(applied()).rejects.toThrow("is declared");
    expect(readFileSync(inside("etc/motd"), "utf8")).toBe("edited\n");
  });
});

describe("a changed source", () => {
  beforeEach(async () => {
    await applied();
    writeFileSync(inside("etc/old"), "precious");
    tree = { ...tree, source: tarball("newer", { "etc/motd": "newer\n", "bin/sh": "#!\n" }) };
  });

  test("swaps the roots and keeps the old one whole", async () => {
    const draft = await plan();
    expect(draft).toMatchObject({ operation: "tree.replace", action: "replace", replaces: true });
    expect(draft.reason).toMatch(/^source changed: sha256 is [0-9a-f]{12}, was [0-9a-f]{12}$/);
    const outcome = await apply(draft);
    expect(readFileSync(inside("etc/motd"), "utf8")).toBe("newer\n");
    const kept = outcome.notes?.[0]?.replace("the old root is kept at ", "") ?? "";
    expect(readFileSync(join(kept, "root/etc/old"), "utf8")).toBe("precious");
    expect(readdirSync(kept)).toEqual(["manifest", "marker.json", "root"]);
    expect((await plan()).operation).toBe("keep");
  });

  test.each([
    ["killBefore", "tree.swap.keep-old"],
    ["killAfter", "tree.swap.keep-old"],
    ["killBefore", "tree.swap.place-new"],
    ["killAfter", "tree.swap.place-new"],
  ] as const)(
    "survives %s %s: recovery and the next passes end with the new root and the old one kept",
    async (when, effect) => {
      machine[when] = effect;
      await expect(applied()).rejects.toThrow("killed");
      machine[when] = "";
      await recover(effect);
      await recover(effect);
      expect(existsSync(tree.path)).toBe(true);
      await applied();
      expect((await plan()).operation).toBe("keep");
      expect(readFileSync(inside("etc/motd"), "utf8")).toBe("newer\n");
      expect(readdirSync(own("kept"))).toHaveLength(1);
      expect(readFileSync(join(own("kept"), readdirSync(own("kept"))[0]!, "root/etc/old"), "utf8")).toBe("precious");
      expect(readdirSync(own("build"))).toEqual([]);
    },
  );

  test("between the two renames is mended by the next plan too, when no recovery ran", async () => {
    machine.killBefore = "tree.swap.place-new";
    await expect(applied()).rejects.toThrow("killed");
    machine.killBefore = "";
    expect(await plan()).toMatchObject({ operation: "tree.create", cause: "corrective" });
    await applied();
    expect(readFileSync(inside("etc/motd"), "utf8")).toBe("newer\n");
    expect((await plan()).operation).toBe("keep");
  });

  test("puts the old root back when the new one is lost between the two renames", async () => {
    writeFileSync(own("trees/debian.laid.json"), "what overlays laid");
    machine.killBefore = "tree.swap.place-new";
    await expect(applied()).rejects.toThrow("killed");
    machine.killBefore = "";
    rmSync(own("build"), { recursive: true });
    mkdirSync(own("build"));
    await recover("tree.swap.keep-old");
    expect(readFileSync(inside("etc/old"), "utf8")).toBe("precious");
    expect(readFileSync(own("trees/debian.laid.json"), "utf8")).toBe("what overlays laid");
    expect(await plan()).toMatchObject({ operation: "tree.replace" });
  });
});

describe("a removed declaration", () => {
  const planRemoval = async (): Promise<Draft> => {
    const record = machine.records.get(tree.id)!;
    return treePlanner.planRemoval(record, await treeObserver.observeRemoved(record, machine.observeContext()));
  };

  test("with destroy deletes the root and its marks, and nothing else of the volume", async () => {
    await applied();
    writeFileSync(join(tree.volumePath, "work"), "x");
    await apply(await planRemoval());
    expect(readdirSync(tree.volumePath)).toEqual([".rootloom", "work"]);
    expect(readdirSync(own("trees"))).toEqual([]);
    expect(readdirSync(own("build"))).toEqual([]);
  });

  test("that was interrupted is finished without asking again", async () => {
    await applied();
    machine.killAfter = "tree.delete";
    await expect(apply(await planRemoval())).rejects.toThrow("killed");
    machine.killAfter = "";
    const draft = await planRemoval();
    expect(draft).toMatchObject({ operation: "tree.delete", cause: "corrective" });
    expect(draft.destroys).toBeUndefined();
    await apply(draft);
    expect(readdirSync(own("trees"))).toEqual([]);
    expect(readdirSync(own("build"))).toEqual([]);
  });
});

async function recover(effect: string): Promise<void> {
  const builds = readdirSync(own("build"), { withFileTypes: true });
  const kept = readdirSync(own("kept"))[0] ?? "none";
  const details = {
    name: tree.name,
    path: tree.path,
    volumePath: tree.volumePath,
    kept: own(`kept/${kept}`),
    build: own(`build/${builds[0]?.name ?? "none"}`),
  };
  const open = { stepId: tree.id, operation: "tree.replace", effect, details, runId: "r" } as const;
  await recoverTree(open, machine.applyContext());
}

/** Everything about the root that a manifest keeps, as find sees it. */
function listing(): string {
  const format = "%P\\t%y\\t%m\\t%U\\t%G\\t%s\\t%T@\\t%l\\n";
  const text = execFileSync("find", [tree.path, "-type", "d", "-printf", format.replace("%s\\t", "")], {
    encoding: "utf8",
  });
  const files = execFileSync("find", [tree.path, "!", "-type", "d", "-printf", format.replace("%T@\\t", "")], {
    encoding: "utf8",
  });
  return `${text.split("\n").sort().join("\n")}${files.split("\n").sort().join("\n")}`;
}
