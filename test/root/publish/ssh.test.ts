import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { fingerprint, makeSite, type Ran, type Site, sha256Of } from "../../kit.ts";
import { whyNotMount } from "../private-namespace.ts";
import { document, imageOf, leftovers, type PlanJson, small } from "../small-site.ts";
import { type FarHost, runLimited, startFarHost } from "./far-host.ts";

let site: Site;
let far: FarHost;
beforeEach(async () => {
  expect(whyNotMount()).toBeUndefined();
  site = makeSite(small);
  far = await startFarHost(join(site.directory, "far"));
  mkdirSync(join(site.directory, "far/images"));
  commit("one\n");
});
afterEach(async () => {
  await far.stop();
  await site.remove();
});

const place = (...names: readonly string[]): string => join(site.directory, "far/images/a", ...names);
const images = (): readonly string[] => readdirSync(place("current")).filter((name) => name.endsWith(".cpio.gz"));
const allowed = "publishHosts: [127.0.0.1]\n";
const run = (...words: readonly string[]): Ran => runLimited(site, allowed, ...words);
const apply = (): string => {
  const ran = run("apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
};
const step = () => (JSON.parse(run("plan", "--json").stdout) as PlanJson).steps.find(({ id }) => id === "publish/a");
const whole = (): void => {
  execFileSync("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: place("current") });
};

function commit(text: string): void {
  const { port, identityFile, knownHosts } = far;
  const ssh = { host: "127.0.0.1", port, user: "root", path: place(), identityFile, knownHosts };
  site.commit({
    "desired/overlays/hardware/one/etc/one.conf": text,
    "desired/images/a.yaml": document("Image", "a", {
      ...{ root: "small", overlays: ["hardware/one"], publish: { ssh, keep: 2 } },
    }),
  });
}

it("uploads to another machine and offers it there, finds nothing to do then, and sends only what is new; a damaged file is sent again", () => {
  const said = apply();
  const [first = ""] = images();
  expect(said).toContain(`uploaded: ${first}`);
  expect(sha256Of(place("current", first))).toBe(sha256Of(imageOf(site)));
  expect(statSync(place("current", first)).mode & 0o777).toBe(0o644);
  whole();
  const before = [fingerprint(place()), fingerprint(site.state)];
  expect(run("apply").exitCode).toBe(0);
  expect([fingerprint(place()), fingerprint(site.state)]).toEqual(before);
  const { ino } = statSync(place("current", first));
  commit("two\n");
  apply();
  expect(images()).toHaveLength(2);
  expect(statSync(place("current", first)).ino).toBe(ino);
  whole();
  const newest = images().at(-1) ?? "";
  appendFileSync(place("current", newest), "x");
  expect(step()).toMatchObject({ cause: "corrective", reason: expect.stringContaining(`${newest} differs`) });
  apply();
  whole();
  expect(images()).toEqual([first, newest]);
  expect(leftovers(site)).toEqual([]);
});

it("shows nothing of an upload that was cut, and goes on with it", () => {
  apply();
  const release = readlinkSync(place("current"));
  commit("two\n");
  far.cutSecond(100_000);
  const failed = run("apply");
  expect(failed.exitCode).toBe(1);
  expect(failed.stdout + failed.stderr).toContain("cannot reach root@127.0.0.1:");
  expect(readlinkSync(place("current"))).toBe(release);
  whole();
  const part = place(".incoming", sha256Of(imageOf(site)));
  expect(statSync(part).size).toBeGreaterThan(10_000);
  expect(statSync(part).size).toBeLessThan(statSync(imageOf(site)).size);
  apply();
  expect(images()).toHaveLength(2);
  whole();
  expect(existsSync(place(".incoming"))).toBe(false);
});

it("sends nothing where what is new would not fit, says how much is free, and goes on when there is room", async () => {
  await far.stop();
  const images_ = join(site.directory, "far/images");
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1400k", "tmpfs", images_]);
  try {
    far = await startFarHost(join(site.directory, "far"));
    commit("one\n");
    const refused = run("apply");
    expect(refused.exitCode).toBe(1);
    expect(refused.stdout).toMatch(
      /cannot publish a: root@127\.0\.0\.1:\S+ has [\d.]+ [KM]iB free, about [\d.]+ MiB are needed/,
    );
    expect(far.commands().some((command) => command.startsWith("rsync"))).toBe(false);
    expect(existsSync(place("current"))).toBe(false);
    execFileSync("mount", ["-o", "remount,size=16m", images_]);
    apply();
    whole();
  } finally {
    await far.stop();
    execFileSync("umount", [images_]);
  }
});

it("refuses a machine with another key, one that the limits do not list, and a key that others may read", async () => {
  expect(runLimited(site, "publishHosts: [elsewhere]\n", "apply").stdout).toContain(
    "cannot use machine 127.0.0.1: this host's limits do not allow it",
  );
  expect(existsSync(place())).toBe(false);
  expect(existsSync(join(site.directory, "far/commands"))).toBe(false);
  await far.changeHostKey();
  const refused = run("apply");
  expect(refused.exitCode).toBe(1);
  expect(refused.stdout + refused.stderr).toMatch(/cannot reach root@127\.0\.0\.1:.*Host key verification failed/);
  expect(existsSync(place())).toBe(false);
  expect(readFileSync(far.knownHosts, "utf8").split("\n")).toHaveLength(2);
  execFileSync("chmod", ["644", far.identityFile]);
  expect(step()?.blocked?.message).toBe(`cannot use the key ${far.identityFile}: others may read it`);
  expect(run("apply", "--offline").stdout).toContain("others may read it");
  execFileSync("chmod", ["600", far.identityFile]);
  expect(run("plan", "--offline").stdout).toContain("this host is offline");
});
