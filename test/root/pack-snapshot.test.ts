import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ArtifactResource, TreeResource } from "../../src/core/resource.ts";
import { packInput } from "../../src/resources/artifact/inputs.ts";
import { atOneMoment } from "../../src/resources/artifact/moment.ts";
import { makeSite, type Site } from "../kit.ts";
import { Bench } from "../storage/bench.ts";
import type { Storage } from "../storage/stage.ts";
import { btrfsStage } from "../storage/stages-host.ts";
import { whyNotMount } from "./private-namespace.ts";
import { changesOf, document, leftovers, rootOf, small, tarballRoot } from "./small-site.ts";
import { dieUntilDone, sharingVolumes } from "./snapshot-beds.ts";

beforeEach(() => expect(whyNotMount()).toBeUndefined());

describe("the first image of a root on btrfs", () => {
  let site: Site;
  let release: () => void;
  const mounts = [{ target: "/shared", type: "bind", volume: "shared", namespace: "host" }];
  const files = {
    ...small,
    "desired/volumes/small.yaml": document("Volume", "small", { backend: "btrfs" }),
    "desired/volumes/shared.yaml": document("Volume", "shared", { backend: "directory", mode: "0770" }),
    "desired/roots/small.yaml": tarballRoot({ mounts, content: "live" }),
  };
  const snapshots = () => readdirSync(join(site.state, "volumes/small/.rootloom/snapshots"));
  beforeEach(() => {
    site = makeSite(files);
    release = sharingVolumes(site, "btrfs");
  });
  afterEach(async () => {
    site.run("unmount", "--all");
    release();
    await site.remove();
  });

  it("is read from a snapshot, which goes, and is the image of the root itself: mount points and all; the next one is not", () => {
    const first = site.run("apply");
    expect(first.exitCode, first.stdout + first.stderr).toBe(0);
    expect(first.stdout).toContain("read from a btrfs snapshot of this moment");
    expect(snapshots()).toEqual([]);
    expect(changesOf(site)).toEqual([]);
    writeFileSync(rootOf(site, "etc/mine"), "mine\n");
    const second = site.run("apply");
    expect(second.stdout).not.toContain("btrfs snapshot");
    expect(changesOf(site)).toEqual([]);
  });

  it("leaves no snapshot when it is killed while it is read", () => {
    const deaths = join(site.directory, "deaths");
    writeFileSync(deaths, "");
    dieUntilDone(site, deaths, "^artifact.(read-snapshot|place)", "apply");
    const points = readFileSync(deaths, "utf8").split("\n");
    for (const effect of ["artifact.read-snapshot", "artifact.place"])
      expect(points).toEqual(expect.arrayContaining([`${effect} begun`, `${effect} done`]));
    expect([snapshots(), leftovers(site), changesOf(site)]).toEqual([[], [], []]);
  });
});

describe("a packing that reads all of a live root", () => {
  let storage: Storage;
  let bench: Bench;
  let directory: string;
  let root: string;
  let tree: TreeResource;
  beforeEach(async () => {
    storage = await btrfsStage.open();
    bench = new Bench(storage, "live");
    directory = mkdtempSync(join(tmpdir(), "pack-"));
    await bench.converge();
    tree = bench.treeIn(bench.volume, "root", { type: "existing" });
    root = tree.path;
    mkdirSync(join(root, "bin"), { recursive: true });
    writeFileSync(join(root, "init"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(root, "mine"), "before");
    await bench.convergeTree(tree);
  });
  afterEach(async () => {
    rmSync(directory, { recursive: true });
    bench.close();
    await storage.close();
  });

  function artifact(): ArtifactResource {
    const { path, volumePath, id, origin } = tree;
    return {
      id: "artifact/live",
      kind: "artifact",
      name: "live",
      identity: "path:/live",
      dependsOn: [id],
      origin,
      protect: false,
      onDelete: "destroy",
      format: "initramfs",
      path: directory,
      file: "initramfs.cpio.gz",
      base: { type: "tree", tree: id, path, volumePath, sourceDate_s: 0, content: "live" },
      overlays: [],
      excludes: [],
      nodes: [],
      init: "/init",
      compression: { codec: "gzip", level: 1 },
      sourceDate_s: 0,
      packPolicy: "onChange",
      generations: 2,
      target: undefined,
    };
  }

  /** Packs while `meanwhile` changes the root; gives the text of the archive. */
  async function pack(meanwhile: () => void): Promise<string> {
    const context = bench.machine.applyContext();
    const { host, cache } = context;
    const resource = artifact();
    const image = join(directory, "image");
    await atOneMoment(resource, packInput(host.files, resource, cache), context, (input) => {
      meanwhile();
      return host.jobs.run("pack", { ...input, image, manifest: join(directory, "manifest") });
    });
    return gunzipSync(readFileSync(image)).toString("latin1");
  }

  it("holds what the root held at one moment, though it changes meanwhile", async () => {
    const archive = await pack(() => writeFileSync(join(root, "mine"), "after"));
    expect([archive.includes("before"), archive.includes("after")]).toEqual([true, false]);
    expect(await pack(() => undefined)).toContain("after");
  });

  it("reads the root itself where a subvolume in it is in no snapshot", async () => {
    execFileSync("btrfs", ["-q", "subvolume", "create", join(root, "sub")]);
    writeFileSync(join(root, "sub/file"), "in a subvolume");
    expect(await pack(() => undefined)).toContain("in a subvolume");
    rmSync(join(root, "sub/file"));
    execFileSync("btrfs", ["-q", "subvolume", "delete", join(root, "sub")]);
  });
});
