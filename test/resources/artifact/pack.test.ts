import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ArtifactResource, OverlayTree } from "../../../src/core/resource.ts";
import {
  artifactExecutors,
  artifactObserver,
  artifactPlanner,
  recoverArtifact,
} from "../../../src/resources/artifact/index.ts";
import { packInput } from "../../../src/resources/artifact/inputs.ts";
import { takeLease } from "../../../src/resources/lease.ts";
import { lookOver } from "../../../src/resources/sights.ts";
import type { ApplyContext } from "../../../src/resources/types.ts";
import { Killed, openWorkshop, type Workshop } from "../overlay/workshop.ts";

const artifact = { observer: artifactObserver, planner: artifactPlanner, executors: artifactExecutors };
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

let shop: Workshop;
afterEach(() => shop.close());
let root: string;
let path: string;

beforeEach(() => {
  shop = openWorkshop();
  root = join(shop.directory, "volume/root");
  path = join(shop.directory, "state/artifacts/debian");
  mkdirSync(join(root, "etc"), { recursive: true });
  writeFileSync(join(root, "init"), "#!/bin/sh\n");
  chmodSync(join(root, "init"), 0o755);
  writeFileSync(join(root, "etc/hostname"), "box\n");
});

function overlayTree(motd: string): OverlayTree {
  const content = join(shop.directory, "cache", sha256(motd));
  writeFileSync(content, motd);
  const facts = {
    mode: 0o644,
    owner: 0,
    group: 0,
    size: motd.length,
    sha256: sha256(motd),
    target: "",
    major: 0,
    minor: 0,
    content,
  };
  return {
    name: "common",
    order: 10,
    entries: [
      { ...facts, path: "etc", type: "directory", mode: 0o755, size: 0, sha256: "", content: "", explicit: false },
      { ...facts, path: "etc/motd", type: "file", explicit: true },
    ],
    deletions: [],
    sourceDate_s: 0,
    digest: sha256(`overlay ${motd}`),
    secret: false,
  };
}

function resource(motd = "hello\n", more: Partial<ArtifactResource> = {}): ArtifactResource {
  return {
    id: "artifact/debian",
    kind: "artifact",
    name: "debian",
    identity: `path:${path}`,
    dependsOn: ["tree/debian"],
    origin: { document: "Image/debian", file: "images/debian.yaml", line: 1, column: 1 },
    protect: false,
    onDelete: "destroy",
    format: "initramfs",
    path,
    file: "initramfs.cpio.gz",
    base: {
      type: "tree",
      tree: "tree/debian",
      path: root,
      volumePath: join(shop.directory, "volume"),
      sourceDate_s: 0,
      content: "live",
    },
    overlays: [overlayTree(motd)],
    excludes: ["proc/*"],
    nodes: [],
    init: "/init",
    compression: { codec: "gzip", level: 6 },
    sourceDate_s: 0,
    packPolicy: "onChange",
    generations: 2,
    target: undefined,
    ...more,
  };
}

const applying = () =>
  ({
    ...shop.observing,
    effect: async (_: string, __: object, run: () => unknown) => run(),
    signal: new AbortController().signal,
    runId: "r-00000009",
    revision: "c1",
    progress: () => undefined,
    log: () => undefined,
  }) as unknown as ApplyContext;
const generations = () => readdirSync(path).filter((name) => /^[0-9a-f]{16}$/.test(name));
const image = () => join(path, "current/initramfs.cpio.gz");

describe("an artifact on the host", () => {
  it("is packed into a generation that current points at, and the second pass keeps it", async () => {
    const { draft, outcome } = await shop.apply(artifact, resource());
    expect(draft.action).toBe("create");
    const current = readlinkSync(join(path, "current"));
    expect(outcome?.result).toBe(`packed as generation ${current}`);
    expect(readdirSync(join(path, current)).sort()).toEqual(["initramfs.cpio.gz", "manifest", "report.json"]);
    expect(outcome?.record?.details).toMatchObject({
      generation: current,
      sha256: createHash("sha256").update(readFileSync(image())).digest("hex"),
      size_bytes: statSync(image()).size,
      file: image(),
    });
    expect((await shop.plan(artifact, resource())).operation).toBe("keep");
  });

  it("is packed again when an overlay changes, naming what changed, and keeps the older generation", async () => {
    await shop.apply(artifact, resource());
    const first = readlinkSync(join(path, "current"));
    const { draft } = await shop.apply(artifact, resource("changed\n"));
    expect(draft).toMatchObject({ cause: "intentional" });
    expect(draft.reason).toMatch(/^overlay\/common changed: ~ \/etc\/motd/);
    expect(generations()).toContain(first);
    expect(readlinkSync(join(path, "current"))).not.toBe(first);
  });

  it("says what was changed by hand in a live root and packs it", async () => {
    await shop.apply(artifact, resource());
    writeFileSync(join(root, "etc/new"), "by hand\n");
    const { draft } = await shop.apply(artifact, resource());
    expect(draft).toMatchObject({ operation: "artifact.pack", cause: "corrective" });
    expect(draft.reason).toMatch(/^root debian changed on the host: .*\+ \/etc\/new/);
    expect((await shop.plan(artifact, resource())).operation).toBe("keep");
  });

  it("writes nothing when a change below ended where it began", async () => {
    await shop.apply(artifact, resource());
    const before = readFileSync(image());
    const { outcome } = await shop.apply(artifact, resource(), { actions: { "tree/debian": "update" } });
    expect(outcome?.result).toBe(`found packed already as generation ${readlinkSync(join(path, "current"))}`);
    expect(readFileSync(image()).equals(before)).toBe(true);
  });

  it("finds a damaged image and packs the same bytes again", async () => {
    await shop.apply(artifact, resource());
    const before = readFileSync(image());
    appendFileSync(image(), "x");
    const { draft } = await shop.apply(artifact, resource());
    expect(draft).toMatchObject({ operation: "artifact.pack", cause: "corrective" });
    expect(draft.reason).toMatch(/^artifact: initramfs.cpio.gz differs from what was packed/);
    expect(readFileSync(image()).equals(before)).toBe(true);
    expect(readdirSync(path).filter((name) => name.startsWith(".damaged"))).toEqual([]);
  });

  it("switches current back when it was pointed elsewhere or removed", async () => {
    await shop.apply(artifact, resource());
    const current = readlinkSync(join(path, "current"));
    unlinkSync(join(path, "current"));
    symlinkSync("ffffffffffffffff", join(path, "current"));
    const { draft } = await shop.apply(artifact, resource());
    expect(draft.operation).toBe("artifact.switch");
    expect(readlinkSync(join(path, "current"))).toBe(current);
  });

  it("keeps as many generations as declared, never dropping the current one", async () => {
    for (const motd of ["1\n", "2\n", "3\n"]) await shop.apply(artifact, resource(motd));
    expect(generations().length).toBe(2);
    expect(existsSync(image())).toBe(true);
  });

  it("goes back to a kept generation without packing it again", async () => {
    await shop.apply(artifact, resource("1\n"));
    const first = readlinkSync(join(path, "current"));
    await shop.apply(artifact, resource("2\n"));
    const { outcome } = await shop.apply(artifact, resource("1\n"));
    expect(outcome?.result).toBe(`found packed already as generation ${first}`);
    expect(readlinkSync(join(path, "current"))).toBe(first);
  });

  it("knows its generation again when the record was lost", async () => {
    await shop.apply(artifact, resource());
    shop.records.clear();
    const { draft, outcome } = await shop.apply(artifact, resource());
    expect(draft).toMatchObject({ operation: "artifact.pack", cause: "corrective", reason: "whole, but not recorded" });
    expect(outcome?.result).toMatch(/^found packed already/);
  });

  it("is packed straight from a tarball, with no root anywhere", async () => {
    const location = join(shop.directory, "base.tar");
    execFileSync("tar", ["--numeric-owner", "--owner=0", "--group=0", "-C", root, "-cf", location, "."]);
    const digest = createHash("sha256").update(readFileSync(location)).digest("hex");
    const base = { type: "tarball", location, sha256: digest, sourceDate_s: 0 } as const;
    const desired = resource("t\n", { base, dependsOn: [] });
    await shop.apply(artifact, desired);
    const listed = execFileSync("sh", ["-c", `zcat ${image()} | cpio --quiet -it`], { encoding: "utf8" }).split("\n");
    expect(listed).toEqual(expect.arrayContaining(["init", "etc/hostname", "etc/motd"]));
    expect((await shop.plan(artifact, desired)).operation).toBe("keep");
    const wrong = resource("t\n", { base: { ...base, sha256: "0".repeat(64) }, dependsOn: [] });
    expect((await shop.apply(artifact, wrong)).draft.blocked?.condition).toBe("Refused");
    expect(existsSync(image())).toBe(true);
  });

  it("refuses a directory that is not ours and leaves it alone", async () => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "theirs"), "x");
    const { draft } = await shop.apply(artifact, resource());
    expect(draft.blocked?.condition).toBe("Refused");
    expect(readdirSync(path)).toEqual(["theirs"]);
  });

  it("waits while somebody is in the root", async () => {
    mkdirSync(join(shop.directory, "state/leases"));
    const lease = await shop.host.stores.lock(join(shop.directory, "state/leases/debian.lock"));
    await expect(shop.apply(artifact, resource())).rejects.toMatchObject({
      retry: "waiting",
      message: expect.stringContaining(`somebody is in the root debian: pid ${process.pid}`),
    });
    lease?.release();
    await shop.apply(artifact, resource());
    expect(existsSync(image())).toBe(true);
  });

  it("lets nobody into the root from its first look to its last", async () => {
    const lease = join(shop.directory, "state/leases/debian.lock");
    const asked: boolean[] = [];
    const progress = shop.host.jobs.run;
    const jobs = {
      ...shop.host.jobs,
      run: (async (job: never, input: never, options: never) => {
        const taken = await shop.host.stores.lock(lease);
        asked.push(taken !== undefined);
        taken?.release();
        return progress(job, input, options);
      }) as typeof progress,
    };
    const plan = await shop.plan(artifact, resource());
    const step = { ...plan, id: "artifact/debian" } as never;
    await artifactExecutors["artifact.pack"](step, { ...applying(), host: { ...shop.host, jobs } });
    expect(asked.length).toBeGreaterThan(1);
    expect(asked).not.toContain(true);
    const after = await shop.host.stores.lock(lease);
    expect(after).toBeDefined();
    after?.release();
  });

  it("uses nothing of what the pass saw of a root that somebody has been in since", async () => {
    await shop.apply(artifact, resource());
    const first = readlinkSync(join(path, "current"));
    const excludes = ["proc/*", ".rootloom"];
    const { cache, host } = shop.observing;
    const [seen] = await lookOver(host.jobs, { path: root, views: [excludes] }, undefined);
    const parts = seen?.parts.map((part) => ({ ...part, settled: true })) ?? [];
    const looked = { digest: seen?.digest ?? "", settled: true, parts };
    await host.jobs.run("layers", { ...packInput(host.files, resource(), cache), looked });
    const pack = async (declared: ArtifactResource, begun_ms: number) => {
      const plan = await shop.plan(artifact, declared);
      const step = { ...plan, id: "artifact/debian", arguments: { resource: declared } };
      const of = async () => ({ ...looked, begun_ms });
      return artifactExecutors["artifact.pack"](step as never, { ...applying(), sights: { of } });
    };
    const [before_ms, long_after_ms] = [Date.now(), Date.now() + 60_000];
    const lease = await takeLease(shop.host, shop.observing.state, "debian", "alone");
    if ("holders" in lease) return expect.unreachable();
    writeFileSync(join(root, "etc/hostname"), "changed\n");
    lease.release();
    // Nobody was in it after that walk: what it saw is taken, and the next pass sees what came since.
    expect((await pack(resource(), long_after_ms)).result).toBe(`found packed already as generation ${first}`);
    await pack(resource(), before_ms);
    const second = readlinkSync(join(path, "current"));
    expect(second).not.toBe(first);
    expect(readFileSync(join(path, second, "manifest"), "utf8")).toContain(sha256("changed\n"));
    expect(readdirSync(path).filter((name) => name.startsWith(".build"))).toEqual([]);
  });

  it("keeps an image with a secret overlay, in itself or in its root, from other users", async () => {
    await shop.apply(artifact, resource("s\n", { secretOverlay: "secret-sauce/s" }));
    expect(statSync(join(path, "current")).mode & 0o777).toBe(0o700);
    expect(statSync(image()).mode & 0o777).toBe(0o600);
  });

  it("leaves the old generation current when a packing fails", async () => {
    await shop.apply(artifact, resource());
    const current = readlinkSync(join(path, "current"));
    await expect(shop.apply(artifact, resource("x\n", { init: "/sbin/none" }))).rejects.toThrow();
    expect(readlinkSync(join(path, "current"))).toBe(current);
    expect(readdirSync(path).filter((name) => name.startsWith(".build"))).toEqual([]);
  });

  it("is deleted with all its generations when its declaration goes and destroy was declared", async () => {
    await shop.apply(artifact, resource());
    const { draft } = await shop.remove(artifact, "artifact/debian");
    expect(draft.destroys).toBe(`1 generation of debian in ${path}`);
    expect(existsSync(path)).toBe(false);
  });

  it("is neither deleted nor packed where the host's limits do not allow it any more", async () => {
    await shop.apply(artifact, resource());
    const before = readdirSync(path);
    const stricter = { ...shop.observing, state: "/nowhere", limits: { ...shop.observing.limits, paths: [] } };
    const record = shop.records.get("artifact/debian")!;
    const removal = artifactPlanner.planRemoval(record, await artifactObserver.observeRemoved(record, stricter));
    expect(removal).toMatchObject({ operation: "artifact.delete", blocked: { condition: "Refused" } });
    const context = { ...stricter, effect: async () => expect.unreachable() } as unknown as ApplyContext;
    for (const name of ["artifact.delete", "artifact.pack", "artifact.switch"] as const) {
      const step = { ...removal, arguments: { record, resource: resource(), generation: "" } } as never;
      await expect(artifactExecutors[name](step, { ...context, host: shop.host })).rejects.toThrow(/cannot use/);
    }
    expect(readdirSync(path)).toEqual(before);
  });
});

describe("a packing that is killed", () => {
  for (const point of ["artifact.make-directory", "artifact.place", "artifact.switch"]) {
    for (const when of ["before", "after"] as const) {
      it(`converges after a kill ${when} ${point}, and leaves nothing behind`, async () => {
        await expect(shop.apply(artifact, resource(), { kill: [point, when] })).rejects.toThrow(Killed);
        await shop.apply(artifact, resource());
        expect((await shop.plan(artifact, resource())).operation).toBe("keep");
        expect(readdirSync(join(shop.directory, "state/artifacts"))).toEqual(["debian"]);
        expect(readdirSync(path).sort()).toEqual([".rootloom.json", ...generations(), "current"].sort());
      });
    }
  }

  it("has its half-built directory swept by recovery", async () => {
    await shop.apply(artifact, resource());
    mkdirSync(join(path, ".build-deadbeef"));
    writeFileSync(join(path, ".build-deadbeef/initramfs.cpio.gz"), "half");
    const open = {
      stepId: "artifact/debian",
      operation: "artifact.pack",
      effect: "artifact.place",
      details: {},
      runId: "r",
    } as const;
    const applying = { ...shop.observing, signal: new AbortController().signal, runId: "r", revision: "" };
    await recoverArtifact(open, {
      ...applying,
      network: { offline: true, caFile: undefined },
      effect: async (_n, _d, run) => run(),
      progress: () => undefined,
      log: () => undefined,
    });
    expect(existsSync(join(path, ".build-deadbeef"))).toBe(false);
  });
});
