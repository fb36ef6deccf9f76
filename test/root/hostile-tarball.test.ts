import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Member, tar } from "../fuzz/tarballs.ts";
import { makeSite, type Ran, type Site } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { leftovers, rootOf, small, tarballRoot } from "./small-site.ts";

let site: Site;
let outside = "";
beforeEach(() => {
  site = makeSite(small);
  outside = join(site.directory, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "canary"), "alive");
});
afterEach(async () => {
  expect(readdirSync(outside)).toEqual(["canary"]);
  expect(readFileSync(join(outside, "canary"), "utf8")).toBe("alive");
  await site.remove();
});

/** Enough to look like a root, and what is hostile behind it. */
function applied(...hostile: readonly Member[]): Ran {
  const path = join(site.directory, "hostile.tar");
  const root = ["./", "./bin/", "./etc/", "./usr/"].map((name) => ({ path: name, flag: "5", mode: "0000755" }));
  writeFileSync(path, tar(...root, ...hostile));
  site.commit({ "desired/roots/small.yaml": tarballRoot({}, path) });
  const ran = site.run("apply");
  return { ...ran, stdout: `${ran.stdout} ${ran.stderr}`.replace(/\s+/g, " ") };
}

/** Refused in words, and nothing half-done stands where the root would be. */
function refused(...hostile: readonly Member[]): string {
  const ran = applied(...hostile);
  expect(ran.exitCode, ran.stdout).toBe(1);
  expect(ran.stdout).toContain("cannot fill tree small");
  expect(existsSync(rootOf(site))).toBe(false);
  expect(leftovers(site)).toEqual([]);
  return ran.stdout;
}

describe("a tarball that would write outside of its root", () => {
  it("through a symlink of its own never does", () => {
    const link = { path: "./a", flag: "2", target: outside };
    applied(link, { path: "./a/canary", content: "dead" }, { path: "./a/new", content: "dead" });
    applied(link, { path: "./a/canary", flag: "5" }, { path: "./a", flag: "5" }, { path: "./a/new", content: "dead" });
  });

  it("by `..` never does", () => {
    applied(
      { path: "../../../../../../outside/canary", content: "dead" },
      { path: "./../outside/new", content: "dead" },
    );
  });

  it("by an absolute path never does", () => {
    applied({ path: join(outside, "canary"), content: "dead" }, { path: join(outside, "new"), content: "dead" });
  });

  it("by a hard link to a file outside never does", () => {
    const link = { path: "./a", flag: "1", target: join(outside, "canary") };
    refused(link, { path: "./a", content: "dead" });
    refused({ path: "./b", flag: "1", target: "../../../../../../outside/canary" });
  });
});

describe("a tarball that cannot be unpacked whole is refused, and no root is left, when", () => {
  it("a size in it is beyond its end", () => {
    refused({ path: "./big", size: "77777777777", content: "x" });
  });

  it("a hard link names nothing", () => {
    refused({ path: "./a", flag: "1", target: "./missing" });
  });

  it("it unpacks to more than there is room for", () => {
    expect(whyNotMount()).toBeUndefined();
    const volume = join(site.state, "volumes");
    mkdirSync(volume, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", volume]);
    try {
      const path = join(site.directory, "bomb.tar.gz");
      const bomb = tar(
        { path: "./bin/", flag: "5", mode: "0000755" },
        { path: "./zeros", content: Buffer.alloc(64 << 20) },
      );
      writeFileSync(path.replace(".gz", ""), bomb);
      execFileSync("gzip", [path.replace(".gz", "")]);
      site.commit({ "desired/roots/small.yaml": tarballRoot({}, path) });
      const ran = site.run("apply");
      expect(ran.exitCode).toBe(1);
      expect(`${ran.stdout} ${ran.stderr}`.replace(/\s+/g, " ")).toContain("the disk ran full while");
      expect(existsSync(rootOf(site))).toBe(false);
      expect(leftovers(site)).toEqual([]);
    } finally {
      execFileSync("umount", [volume]);
    }
  });
});
