import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSite, type Site } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { document, type PlanJson, rootOf, small, tarball, tarballRoot } from "./small-site.ts";

const mounts = [
  { target: "/cache", type: "bind", volume: "shared", options: ["ro"], namespace: "host" },
  { target: "/scratch", type: "tmpfs", options: ["size=1M", "mode=0755"], namespace: "host" },
  { target: "/scratch/inner", type: "bind", volume: "shared", namespace: "host" },
];

describe.skipIf(whyNotMount() !== undefined)("mounts in the host's namespace", () => {
  let site: Site;
  let processes: ChildProcess[] = [];

  beforeEach(() => {
    site = makeSite({
      ...small,
      "desired/volumes/shared.yaml": document("Volume", "shared", { backend: "directory" }),
      "desired/roots/small.yaml": tarballRoot({ mounts }),
    });
    converge();
  });
  afterEach(async () => {
    for (const child of processes) child.kill("SIGKILL");
    processes = [];
    site.run("unmount", "--all");
    await site.remove();
  });

  /** Targets inside the root, each as often as it is mounted, with the mount's id and its own flags. */
  function standing(): readonly (readonly [target: string, id: string, options: string])[] {
    const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    return lines.flatMap((line) => {
      const [id = "", , , , target = "", options = ""] = line.split(" ");
      return target.startsWith(`${site.directory}/`) ? [[target.replace(rootOf(site), ""), id, options] as const] : [];
    });
  }
  const targets = () => standing().map(([target]) => target);
  const idOf = (target: string) => standing().find(([other]) => other === target)?.[1];

  function converge(): string {
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    return ran.stdout;
  }
  function steps(): readonly string[] {
    const plan = site.json<PlanJson>("plan");
    return plan.steps
      .filter((step) => step.action !== "keep")
      .map(({ id, action, cause }) => `${action} ${id} ${cause}`);
  }
  /** A process that stands in a directory until it is ended. */
  async function occupy(directory: string): Promise<ChildProcess> {
    const child = spawn("sh", ["-c", "echo there; exec sleep 600"], {
      cwd: directory,
      stdio: ["ignore", "pipe", "ignore"],
    });
    processes.push(child);
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    return child;
  }
  async function leave(child: ChildProcess): Promise<void> {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  it("are each made once, children on their parents, and kept by the second pass", () => {
    expect(targets().sort()).toEqual(["/cache", "/scratch", "/scratch/inner"]);
    expect(standing()[0]?.[2]).toMatch(/^ro,/);
    expect(() => writeFileSync(rootOf(site, "cache/x"), "x")).toThrow(/EROFS/);
    const before = standing();
    expect(converge()).toMatch(/nothing to do/);
    expect(steps()).toEqual([]);
    expect(standing()).toEqual(before);
    expect(site.run("drift").exitCode).toBe(0);
  });

  it("unmounted by hand are drift, named, and mounted again by the next pass", () => {
    execFileSync("umount", [rootOf(site, "scratch/inner")]);
    execFileSync("umount", [rootOf(site, "cache")]);
    const drift = site.run("drift");
    expect(drift.exitCode).toBe(2);
    expect(drift.stdout).toContain("small:/cache");
    expect(steps()).toEqual(["create mount/small:/cache corrective", "create mount/small:/scratch/inner corrective"]);
    converge();
    expect(targets().sort()).toEqual(["/cache", "/scratch", "/scratch/inner"]);
    expect(steps()).toEqual([]);
  });

  it("of other options are drift, corrected in place without unmounting", () => {
    const id = idOf("/cache");
    execFileSync("mount", ["-o", "remount,bind,rw", rootOf(site, "cache")]);
    execFileSync("mount", ["-o", "remount,size=2M", rootOf(site, "scratch")]);
    const scratch = idOf("/scratch");
    expect(site.run("drift").exitCode).toBe(2);
    expect(steps().slice(0, 2)).toEqual([
      "update mount/small:/cache corrective",
      "update mount/small:/scratch corrective",
    ]);
    converge();
    expect([idOf("/cache"), idOf("/scratch")]).toEqual([id, scratch]);
    expect(() => writeFileSync(rootOf(site, "cache/x"), "x")).toThrow(/EROFS/);
    expect(steps()).toEqual([]);
  });

  it("with somebody's mount stacked on them are refused, never stacked higher and never unmounted", () => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0755", "mine", rootOf(site, "cache")]);
    const before = standing();
    const ran = site.run("apply");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toContain("2 mounts are stacked there");
    expect(standing()).toEqual(before);
    execFileSync("umount", [rootOf(site, "cache")]);
    expect(converge()).toMatch(/nothing to do/);
  });

  it("that are busy when their declaration goes stay, with the process named; freed, they are unmounted", async () => {
    const child = await occupy(rootOf(site, "cache"));
    site.commit({ "desired/roots/small.yaml": tarballRoot() });
    const busy = site.run("apply");
    expect(busy.exitCode).toBe(1);
    expect(busy.stdout).toMatch(new RegExp(`cannot unmount .*/cache: it is in use by ${child.pid} \\(`));
    expect(targets()).toEqual(["/cache"]);
    await leave(child);
    converge();
    expect(targets()).toEqual([]);
    expect(steps()).toEqual([]);
  });

  it("are unmounted by `unmount`, stay so until resumed, and are mounted again then", async () => {
    const child = await occupy(rootOf(site, "scratch"));
    const busy = site.run("unmount", "small");
    expect(busy.exitCode).toBe(1);
    expect(busy.stderr).toContain(`${child.pid} (`);
    // What was unmounted before the busy one was found stays so.
    const left = targets();
    site.run("apply");
    expect(targets()).toEqual(left);
    await leave(child);
    const ran = site.run("unmount", "--all", "--why", "a test");
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(targets()).toEqual([]);
    site.run("apply");
    expect(targets()).toEqual([]);
    expect(site.run("status").stdout).toContain("a test");
    const again = site.run("unmount", "--all");
    expect(again).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("nothing of ours is mounted") });
    for (const { target } of mounts) site.run("resume", `mount/small:${target}`);
    expect(converge()).toMatch(/nothing to do/);
    expect(targets().sort()).toEqual(["/cache", "/scratch", "/scratch/inner"]);
  });

  it("end on the new root when theirs is replaced, and none is left on the one that is kept", () => {
    const other = join(site.directory, "other.tar");
    copyFileSync(tarball, other);
    writeFileSync(other, Buffer.alloc(10_240), { flag: "a" });
    site.commit({ "desired/roots/small.yaml": tarballRoot({ mounts }, other) });
    const waits = site.run("apply");
    expect(waits.stdout).toContain("rootloom approve tree/small");
    expect(targets().sort()).toEqual(["/cache", "/scratch", "/scratch/inner"]);
    const ran = site.run("approve", "root/small", "--why", "new stage");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    expect(targets().sort()).toEqual(["/cache", "/scratch", "/scratch/inner"]);
    expect(readdirSync(join(site.state, "volumes/small/.rootloom/kept")).length).toBe(1);
    expect(steps()).toEqual([]);
    expect(site.run("status").exitCode).toBe(0);
  });

  it("are refused where somebody else's mount stands, and that one stays", () => {
    site.commit({ "desired/roots/small.yaml": tarballRoot() });
    converge();
    execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0755", "theirs", rootOf(site, "var")]);
    const more = [...mounts, { target: "/var", type: "bind", volume: "shared", namespace: "host" }];
    site.commit({ "desired/roots/small.yaml": tarballRoot({ mounts: more }) });
    const ran = site.run("apply");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toContain("another mount is there");
    expect(targets().sort()).toEqual(["/cache", "/scratch", "/scratch/inner", "/var"]);
    execFileSync("umount", [rootOf(site, "var")]);
    converge();
    expect(steps()).toEqual([]);
  });
});
