import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { eventually, makeSite, type Site, sha256Of } from "../kit.ts";
import { changesOf, document, leftovers, processesOf, rootOf, small, tarball, tarballRoot } from "./small-site.ts";

let site: Site;
afterEach(() => {
  site.run("unmount", "--all");
  return site.remove();
});

/** One volume and one root: no image is packed here. */
const bare = {
  "desired/volumes/small.yaml": small["desired/volumes/small.yaml"],
  "desired/roots/small.yaml": small["desired/roots/small.yaml"],
};

const volume = (name: string) => ({
  [`desired/volumes/${name}.yaml`]: document("Volume", name, { backend: "directory" }),
});
const root = (name: string, source: object, more: object = {}) => ({
  ...volume(name),
  [`desired/roots/${name}.yaml`]: document("Root", name, { volume: name, source, ...more }),
});
const inside = (name: string, path: string) => join(site.state, "volumes", name, "root", path);

function applied(...words: readonly string[]): string {
  const ran = site.run("apply", ...words);
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
}

/** A tree that has all that a root can have, as a tarball that GNU tar made of it. */
function richTarball(): string {
  const top = join(site.directory, "rich");
  const run = (script: string) => execFileSync("sh", ["-ec", script], { cwd: top, stdio: "pipe" });
  mkdirSync(top);
  run(`
    mkdir -p usr/bin var/mail 'odd dir'
    printf tool >usr/bin/ping; chown 12:34 usr/bin/ping; chmod 4750 usr/bin/ping
    setcap cap_net_raw=ep usr/bin/ping
    printf one >var/one; ln var/one var/two; ln -s ../one var/mail/link
    chmod 2775 var/mail; chown 0:8 var/mail; setfacl -m u:77:rwx,d:u:77:r-x var/mail
    setfattr -n user.note -v hello var/one; setfattr -n trusted.mark -v root var/one
    mknod console c 5 1; chmod 600 console; mknod disk b 7 300; mkfifo pipe
    touch -d @1000000000.5 var/one "$(printf 'odd dir/\\377 name')"
  `);
  const path = join(site.directory, "rich.tar.gz");
  execFileSync(
    "tar",
    [
      "--create",
      "--gzip",
      `--file=${path}`,
      "--xattrs",
      "--xattrs-include=user.*",
      "--xattrs-include=trusted.*",
      "--xattrs-include=security.*",
      "--acls",
      "--sort=name",
      ".",
    ],
    {
      cwd: top,
    },
  );
  return path;
}

/** All that can be told of each path: what `stat` says, links by their set, content, every extended attribute. */
function portrait(directory: string): string {
  const options = { cwd: directory, encoding: "latin1", maxBuffer: 1 << 26 } as const;
  const stat = execFileSync("find", [".", "-printf", "%P %y %m %U %G %s %T@ %l %n\\n"], options);
  const nodes = execFileSync("find", [".", "-type", "c", "-o", "-type", "b"], options).trim().split("\n").sort();
  const devices = nodes.map((path) => `${path} ${lstatSync(join(directory, path)).rdev}`);
  const attributes = spawnSync("getfattr", ["-R", "-P", "-d", "-m", "-", "-e", "hex", "."], options).stdout;
  const sums = execFileSync("sh", ["-c", "find . -type f -exec sha256sum {} + | sort"], options);
  const files = stat.split("\n").map((line) => line.replace(/^(\S.* d \d+ \d+ \d+) \d+/, "$1"));
  return [...files.sort(), ...devices, ...attributes.split("\n\n").sort(), sums].join("\n");
}

describe("what is extracted", () => {
  it("has the owners, modes, times, capabilities, lists, attributes, hard links and devices of the tarball", () => {
    site = makeSite(bare);
    const path = richTarball();
    site.commit(root("rich", { tarball: { path, sha256: sha256Of(path) } }));
    applied();
    expect(portrait(inside("rich", ""))).toBe(portrait(join(site.directory, "rich")));
    expect(execFileSync("getcap", [inside("rich", "usr/bin/ping")], { encoding: "utf8" })).toContain("cap_net_raw=ep");
    expect(portrait(join(site.directory, "rich"))).toMatch(/system\.posix_acl_access=0x/);
    expect(statSync(inside("rich", "var/one")).ino).toBe(statSync(inside("rich", "var/two")).ino);
    expect(changesOf(site)).toEqual([]);
  });
});

describe("a clone of a root", () => {
  it("is a whole copy without the mounts in it, and says how it was made; neither changes with the other", () => {
    site = makeSite(bare);
    const path = richTarball();
    const origin = root(
      "rich",
      { tarball: { path, sha256: sha256Of(path) } },
      {
        mounts: [{ target: "/proc", type: "proc", namespace: "host" }],
      },
    );
    site.commit(origin);
    applied();
    site.commit(root("copy", { clone: { root: "rich" } }));
    const said = applied();
    expect(said).toMatch(/(reflink|plain) copy of tree\/rich/);
    expect(readdirSync(inside("copy", "proc"))).toEqual([]);
    execFileSync("rmdir", [inside("copy", "proc")]);
    const from = portrait(join(site.directory, "rich"));
    expect(portrait(inside("copy", "")).replaceAll(/^ d .*$/gm, "")).toBe(from.replaceAll(/^ d .*$/gm, ""));
    mkdirSync(inside("copy", "proc"));
    expect(changesOf(site)).toEqual([]);

    writeFileSync(inside("rich", "var/one"), "changed in the origin");
    expect(readFileSync(inside("copy", "var/one"), "utf8")).toBe("one");
    applied();
    expect(site.run("unmount", "--all").exitCode).toBe(0);
  });

  it("waits for its origin in the same commit, and is not made of one that failed", () => {
    const bad = tarballRoot({}, tarball, "0".repeat(64));
    site = makeSite({ ...bare, "desired/roots/small.yaml": bad, ...root("copy", { clone: { root: "small" } }) });
    const ran = site.run("apply");
    expect([ran.exitCode, ran.stdout]).toEqual([1, expect.stringMatching(/copy.*waits for tree\/small/s)]);
    expect(existsSync(inside("copy", ""))).toBe(false);
    site.commit({ "desired/roots/small.yaml": tarballRoot() });
    applied();
    expect(sha256Of(inside("copy", "bin/busybox"))).toBe(sha256Of(rootOf(site, "bin/busybox")));
    expect(changesOf(site)).toEqual([]);
    expect(leftovers(site)).toEqual([]);
  });

  it("of an existing root leaves our own notes behind", () => {
    site = makeSite(bare);
    applied();
    const place = join(site.state, "volumes/old");
    execFileSync("cp", ["--archive", rootOf(site), place]);
    site.commit({ ...root("old", { existing: {} }), ...root("copy", { clone: { root: "old" } }) });
    site.run("apply");
    expect(site.run("adopt", "volume/old").exitCode).toBe(0);
    applied();
    expect(existsSync(join(place, ".rootloom"))).toBe(true);
    expect(existsSync(inside("copy", ".rootloom"))).toBe(false);
    expect(sha256Of(inside("copy", "bin/busybox"))).toBe(sha256Of(join(place, "bin/busybox")));
  });

  it("is not made while somebody is in its origin", async () => {
    site = makeSite(bare);
    applied();
    const shell = site.start("enter", "small", "--", "/bin/busybox", "sleep", "60");
    await eventually("the shell", 20_000, () =>
      processesOf(site).some((line) => line.includes("sleep 60")) ? true : undefined,
    );
    site.commit(root("copy", { clone: { root: "small" } }));
    const ran = site.run("apply");
    expect([ran.exitCode, ran.stdout]).toEqual([1, expect.stringMatching(/its origin small is in use by pid \d+/)]);
    const ended = new Promise((resolve) => shell.once("exit", resolve));
    shell.kill("SIGTERM");
    await ended;
    applied();
    expect(changesOf(site)).toEqual([]);
  });
});

describe("kill -9 while a root is filled from a new source", () => {
  it.each([1, 2, 3, 4])("leaves none that counts as a root (moment %i of a clone and of sha512)", async (moment) => {
    const sha512 = execFileSync("sha512sum", [tarball], { encoding: "utf8" }).slice(0, 128);
    site = makeSite({
      ...bare,
      "desired/roots/small.yaml": document("Root", "small", {
        volume: "small",
        source: { tarball: { path: tarball, sha512 } },
      }),
      ...root("copy", { clone: { root: "small" } }),
    });
    const running = site.start("apply");
    running.stdout?.resume();
    running.stderr?.resume();
    const ended = new Promise((resolve) => running.once("exit", resolve));
    const places = [
      join(site.state, "volumes/small/.rootloom/build"),
      rootOf(site),
      join(site.state, "volumes/copy/.rootloom/build"),
      inside("copy", ""),
    ];
    await eventually("the moment", 60_000, () => {
      const place = places[moment - 1] as string;
      const reached = existsSync(place) && (!place.endsWith("build") || readdirSync(place).length > 0);
      return reached || running.exitCode !== null ? true : undefined;
    });
    running.kill("SIGKILL");
    await ended;
    await eventually("the end of its children", 10_000, () => (processesOf(site).length === 0 ? true : undefined));
    applied();
    expect(changesOf(site)).toEqual([]);
    expect(leftovers(site).filter((path) => path.includes("/volumes/"))).toEqual([]);
    expect(sha256Of(inside("copy", "bin/busybox"))).toBe(sha256Of(rootOf(site, "bin/busybox")));
  });
});
