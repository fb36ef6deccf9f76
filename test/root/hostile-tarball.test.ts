import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Member, tar } from "../fuzz/tarballs.ts";
import { makeSite, type Ran, type Site, sha256Of } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { document, imageOf, leftovers, rootOf, small, tarballRoot } from "./small-site.ts";

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
      // Of zstd, only a usual ratio is known before.
      const path = join(site.directory, "bomb.tar.zst");
      const bomb = tar(
        { path: "./bin/", flag: "5", mode: "0000755" },
        { path: "./zeros", content: Buffer.alloc(64 << 20) },
      );
      writeFileSync(path.replace(".zst", ""), bomb);
      execFileSync("zstd", ["-q", "--rm", path.replace(".zst", "")]);
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

/** Eight megabytes in a few kilobytes. */
function bomb(tool: string): string {
  const plain = join(site.directory, "bomb.tar");
  writeFileSync(
    plain,
    tar({ path: "./bin/", flag: "5", mode: "0000755" }, { path: "./zeros", content: Buffer.alloc(8 << 20) }),
  );
  execFileSync(tool, ["-q", plain]);
  const [name] = readdirSync(site.directory).filter((entry) => entry.startsWith("bomb.tar."));
  return join(site.directory, String(name));
}

function toldBy(ran: Ran): string {
  return `${ran.stdout} ${ran.stderr}`.replace(/\s+/g, " ");
}

const BEYOND = "it holds more than its maxSize of 1.0 MiB";

describe.each(["gzip", "xz", "zstd"])(
  "a tarball that unpacks by %s to more than its declared size is refused",
  (tool) => {
    it("when it is extracted into a volume, and taken when more is declared", () => {
      const path = bomb(tool);
      const declared = (maxSize: string) => ({
        "desired/roots/small.yaml": document("Root", "small", {
          volume: "small",
          source: { tarball: { path, sha256: sha256Of(path), maxSize } },
        }),
      });
      site.commit(declared("1MiB"));
      const ran = site.run("apply");
      expect([ran.exitCode, toldBy(ran)]).toEqual([1, expect.stringContaining(BEYOND)]);
      expect(existsSync(rootOf(site))).toBe(false);
      expect(leftovers(site)).toEqual([]);
      site.commit(declared("16MiB"));
      expect(site.run("apply").exitCode).toBe(0);
      expect(statSync(rootOf(site, "zeros")).size).toBe(8 << 20);
    });

    it("when it is only packed, and packed when more is declared", () => {
      const path = bomb(tool);
      const declared = (maxSize: string) => ({
        "desired/roots/packed.yaml": document("Root", "packed", {
          source: { tarball: { path, sha256: sha256Of(path), maxSize } },
        }),
        "desired/images/p.yaml": document("Image", "p", { root: "packed" }),
      });
      site.commit(declared("1MiB"));
      const ran = site.run("apply");
      expect([ran.exitCode, toldBy(ran)]).toEqual([1, expect.stringContaining(BEYOND)]);
      expect(existsSync(imageOf(site, "p"))).toBe(false);
      expect(readdirSync(join(site.cache, "tarballs"))).toEqual([]);
      site.commit(declared("16MiB"));
      expect(site.run("apply").exitCode).toBe(0);
      // What is in the cache by now is no way around a smaller bound.
      site.commit(declared("1MiB"));
      expect(toldBy(site.run("plan"))).toContain(BEYOND);
    });
  },
);
