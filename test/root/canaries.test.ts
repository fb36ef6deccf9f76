import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FileTree, fingerprint, makeSite, type Ran, type Site } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { changesOf, document, keptOf, rootOf, small, tarballRoot } from "./small-site.ts";

/** A directory of somebody else with files of the names that a root has, too. */
let canary: string;
let before: string;
let site: Site;
const mounted: string[] = [];
const racers: ChildProcess[] = [];

beforeEach(() => {
  expect(whyNotMount()).toBeUndefined();
  canary = mkdtempSync(join(tmpdir(), "rootloom-canary-"));
  for (const name of ["passwd", "shadow", "one.conf", "tool.conf", "other.conf"]) {
    writeFileSync(join(canary, name), `of the host: ${name}\n`);
  }
  mkdirSync(join(canary, "opt"));
  writeFileSync(join(canary, "opt/tool.conf"), "of the host\n");
  before = fingerprint(canary);
});
afterEach(async () => {
  for (const child of racers.splice(0)) await stop(child);
  for (const target of mounted.splice(0).reverse()) execFileSync("umount", [target]);
  site.run("unmount", "--all");
  await site.remove();
  rmSync(canary, { recursive: true });
});

function mount(target: string, ...words: readonly string[]): void {
  mkdirSync(target, { recursive: true });
  execFileSync("mount", [...words, target]);
  mounted.push(target);
}

/** Words of the output with line breaks and indentation taken out: tables wrap. */
const textOf = (ran: Ran): string => `${ran.stdout} ${ran.stderr}`.replace(/\s+/g, " ");

function applied(...more: readonly string[]): void {
  const ran = site.run("apply", ...more);
  expect(ran.exitCode, textOf(ran)).toBe(0);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await ended;
}

const destroy = { onDelete: "destroy" };
const overlay = document("Overlay", "hardware/live", { into: "root", roots: ["small"], ...destroy });
const removable: FileTree = {
  ...small,
  "desired/host.yaml": document("Host", "host", { budget: { jobs: 2 }, prune: { maxDeletions: 20 } }),
  "desired/volumes/small.yaml": document("Volume", "small", { backend: "directory", ...destroy }),
  "desired/roots/small.yaml": tarballRoot({ content: "live", ...destroy }),
  "desired/overlays/hardware/live/overlay.yaml": overlay,
};
const nothing: FileTree = Object.fromEntries(
  Object.keys(removable).flatMap((name) => (name === "desired/host.yaml" ? [] : [[name, undefined]])),
);

describe("what is somebody else's is neither written nor deleted", () => {
  it("when it is bound into a root that is packed, restored and deleted", () => {
    site = makeSite({ ...removable, "desired/roots/small.yaml": tarballRoot(destroy) });
    applied();
    mount(rootOf(site, "srv"), "--bind", canary);
    mount(rootOf(site, "opt"), "--bind", canary);
    writeFileSync(rootOf(site, "etc/passwd-"), "drift\n");
    site.run("apply");
    expect(fingerprint(canary)).toBe(before);
    site.commit(nothing);
    const refused = site.run("apply", "--yes");
    expect(refused.exitCode, textOf(refused)).toBe(1);
    expect(textOf(refused)).toMatch(/another mount or filesystem lies in the way/);
    expect(fingerprint(canary)).toBe(before);
  });

  it("when it stands where a volume should be, also after the volume was ours", () => {
    site = makeSite(removable);
    applied();
    const volume = join(site.state, "volumes/small");
    renameSync(volume, `${volume}.away`);
    execFileSync("cp", ["-a", canary, volume]);
    const theirs = fingerprint(volume);
    expect(site.run("apply").exitCode).toBe(1);
    site.commit(nothing);
    site.run("apply", "--yes");
    expect(fingerprint(volume)).toBe(theirs);
  });

  it("when a copy of our volume, marker and all, stands in its place", () => {
    site = makeSite(removable);
    applied();
    const volume = join(site.state, "volumes/small");
    renameSync(volume, `${volume}.away`);
    execFileSync("cp", ["-a", `${volume}.away`, volume]);
    const theirs = fingerprint(volume);
    site.commit(nothing);
    site.run("apply", "--yes");
    expect(fingerprint(volume)).toBe(theirs);
  });

  it.each(["etc", "opt"])("when `%s` of a live root is an absolute link to it", (name) => {
    site = makeSite(removable);
    applied();
    rmSync(rootOf(site, name), { recursive: true });
    symlinkSync(canary, rootOf(site, name));
    site.run("apply");
    site.commit({ "desired/overlays/hardware/live/opt/tool.conf": "a = 2\n" });
    site.run("apply");
    site.commit({ "desired/overlays/hardware/live/opt/tool.conf": undefined });
    site.run("apply");
    expect(fingerprint(canary)).toBe(before);
    site.commit(Object.fromEntries(Object.entries(nothing).filter(([file]) => !file.endsWith("tool.conf"))));
    for (let round = 0; round < 2; round++) site.run("apply", "--yes");
    expect(fingerprint(canary)).toBe(before);
  });

  it("by an overlay whose nodes, directories and deletions lead out of it", () => {
    site = makeSite(removable);
    applied();
    const outside = keptOf(site);
    for (const path of ["../../etc/x", "/etc/x", "opt/../../x"]) {
      const more = { directories: [{ path }], nodes: [{ path, type: "fifo" }], delete: [path] };
      const spec = { into: "root", roots: ["small"], ...more };
      site.commit({ "desired/overlays/hardware/live/overlay.yaml": document("Overlay", "hardware/live", spec) });
      const ran = site.run("apply");
      expect(ran.exitCode, textOf(ran)).toBe(1);
      expect(textOf(ran).match(/overlay\.yaml:\d+:\d+/g)?.length).toBeGreaterThanOrEqual(3);
    }
    expect(keptOf(site)).toBe(outside);
  });

  it("when a mount appears inside a root that is about to be deleted", () => {
    site = makeSite(removable);
    applied();
    mount(rootOf(site, "srv/inner"), "--bind", canary);
    site.commit(nothing);
    const refused = site.run("apply", "--yes");
    expect(refused.exitCode, textOf(refused)).toBe(1);
    expect(fingerprint(canary)).toBe(before);
    expect(readdirSync(rootOf(site)).length).toBeGreaterThan(3);
    execFileSync("umount", [mounted.pop() ?? ""]);
    for (let round = 0; round < 4 && site.run("apply", "--yes").exitCode !== 0; round++);
    expect(changesOf(site)).toEqual([]);
    expect(readdirSync(join(site.state, "volumes"))).toEqual([]);
  });
});

describe("races between looking and doing", () => {
  /** Swaps a directory and a link to the canary back and forth, as fast as it can, until it is stopped. */
  async function flip(path: string): Promise<void> {
    const script = `
      const { renameSync, symlinkSync } = require("node:fs");
      const [path, target] = process.argv.slice(1);
      symlinkSync(target, path + ".link");
      process.stdout.write("flipping\\n");
      for (;;) {
        try { renameSync(path, path + ".real"); renameSync(path + ".link", path); } catch {}
        try { renameSync(path, path + ".link"); renameSync(path + ".real", path); } catch {}
      }`;
    const child = spawn(process.execPath, ["-e", script, path, canary], { stdio: ["ignore", "pipe", "inherit"] });
    racers.push(child);
    await new Promise((resolve) => child.stdout?.once("data", resolve));
  }

  it.each(["opt", "etc"])(
    "laying, correcting and removing files never follows a link that takes the place of `%s`",
    async (name) => {
      const files = { "desired/overlays/hardware/live/etc/one.conf": "one\n" };
      site = makeSite({ ...removable, ...files });
      applied();
      await flip(rootOf(site, name));
      for (const text of ["a = 2\n", undefined]) {
        site.commit({ "desired/overlays/hardware/live/opt/tool.conf": text });
        site.run("apply");
        expect(fingerprint(canary)).toBe(before);
      }
      expect(readFileSync(join(canary, "opt/tool.conf"), "utf8")).toBe("of the host\n");
    },
  );

  it("deleting never follows a link that takes the place of a directory in the tree", async () => {
    site = makeSite(removable);
    applied();
    await flip(rootOf(site, "etc"));
    site.commit(nothing);
    for (let round = 0; round < 2; round++) site.run("apply", "--yes");
    expect(fingerprint(canary)).toBe(before);
  });
});
