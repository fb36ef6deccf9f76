import { execFileSync } from "node:child_process";
import { lstatSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSite, type Site } from "../../kit.ts";
import { unmountBelow } from "../../storage/bench.ts";
import { whyNotMount } from "../private-namespace.ts";
import { document, small, tarballRoot } from "../small-site.ts";
import { liveOnce, sharingVolumes } from "../snapshot-beds.ts";

let site: Site;
afterEach(async () => {
  unmountBelow(site.directory);
  await site.remove();
});

interface PlanJson {
  readonly steps: readonly { readonly id: string; readonly action: string; readonly reason: string }[];
}

const told = (command: "plan" | "drift"): readonly string[] =>
  site
    .json<PlanJson>(command)
    .steps.filter(({ action }) => action !== "keep")
    .map(({ id, action, reason }) => `${action} ${id}: ${reason}`);

function applied(): string {
  const ran = site.run("apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
}

it("a root in a loop volume is found as it was when the volume is mounted again, and is no drift meanwhile", () => {
  expect(whyNotMount()).toBeUndefined();
  site = makeSite({
    "desired/volumes/small.yaml": document("Volume", "small", { backend: "loop", size: "64M", label: "small" }),
    "desired/roots/small.yaml": tarballRoot({ mounts: [{ target: "/scratch", type: "tmpfs", namespace: "host" }] }),
  });
  applied();
  const path = join(site.state, "volumes/small");
  const { ino } = lstatSync(join(path, "root"));
  expect(site.run("plan").exitCode).toBe(0);

  unmountBelow(path);
  expect(told("plan")).toEqual([
    `update volume/small: it is not mounted at ${path}`,
    "create tree/small: volume/small hides it until it is mounted",
    "create mount/small:/scratch: tree/small hides it until it is mounted",
  ]);
  expect(site.run("drift").stdout).toContain("1 resource differs");
  expect(applied()).toContain("the root small has been found complete, and recorded");
  expect(lstatSync(join(path, "root")).ino).toBe(ino);
  expect(site.run("plan").exitCode).toBe(0);
});

it("unmounting all leaves no mount, of volumes neither, and resuming brings them back", () => {
  site = makeSite({
    "desired/volumes/small.yaml": document("Volume", "small", { backend: "loop", size: "64M" }),
    "desired/roots/small.yaml": tarballRoot({ mounts: [{ target: "/scratch", type: "tmpfs", namespace: "host" }] }),
  });
  applied();
  expect(site.run("unmount", "--all").exitCode).toBe(0);
  const left = () => execFileSync("findmnt", ["--list", "--noheadings", "--output", "TARGET"], { encoding: "utf8" });
  expect(left()).not.toContain(site.directory);
  const waiting = site.run("plan").stdout;
  expect(waiting).toContain("volume/small is suspended");
  expect(waiting).toContain("waits for volume/small");
  expect(site.run("resume", "volume/small").exitCode).toBe(0);
  expect(site.run("resume", "mount/small:/scratch").exitCode).toBe(0);
  applied();
  expect(left()).toContain(join(site.state, "volumes/small/root/scratch"));
});

describe("a snapshot that a killed rollback was reading", () => {
  const left = () => execFileSync("findmnt", ["--list", "--noheadings", "--output", "TARGET"], { encoding: "utf8" });
  let release: () => void = () => undefined;
  beforeEach(() => {
    site = makeSite({
      ...small,
      "desired/volumes/small.yaml": document("Volume", "small", { backend: "loop", filesystem: "xfs", size: "320MiB" }),
      "desired/roots/small.yaml": tarballRoot({ content: "live" }),
    });
    release = sharingVolumes(site, "xfs");
    applied();
    expect(site.run("snapshot", "small").exitCode).toBe(0);
    const deaths = join(site.directory, "deaths");
    writeFileSync(deaths, "");
    expect(liveOnce(site, deaths, "^tree.build", "rollback", "small", "--yes")).toBe("killed");
    expect(left()).toContain(`${site.state}/attached/small@`);
  });
  afterEach(() => {
    if (left().includes(`${site.state}/attached/`)) unmountBelow(join(site.state, "attached"));
    site.run("unmount", "--all");
    release();
    release = () => undefined;
  });

  it("is let go by the next pass", () => {
    applied();
    expect(left()).not.toContain(`${site.state}/attached/`);
    expect(readdirSync(join(site.state, "attached"))).toEqual([]);
  });

  it("is let go by `unmount --all`, which says so, also where nothing else is mounted any more", () => {
    const attached = readdirSync(join(site.state, "attached"));
    unmountBelow(join(site.state, "volumes/small"));
    const ran = site.run("unmount", "--all");
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(ran.stdout).toContain(`${site.state}/attached/${attached[0]} is unmounted: an interrupted run read from it`);
    expect(left()).not.toContain(`${site.state}/attached/`);
    const again = site.run("unmount", "--all");
    expect([again.exitCode, again.stderr]).toEqual([1, expect.stringContaining("nothing of ours is mounted")]);
  });
});
