import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSite, type Site, sha256Of } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { document, leftovers } from "./small-site.ts";
import { runAllowed, toyFiles, writeToy } from "./toy-kernel.ts";

const MEBIBYTE = 1024 ** 2;

let site: Site;
let mounted: string[] = [];
beforeEach(() => expect(whyNotMount()).toBeUndefined());
afterEach(async () => {
  for (const path of mounted.reverse()) execFileSync("umount", [path]);
  mounted = [];
  await site.remove();
});

/** A disk of its own for a folder of the site. */
function mountDisk(path: string, size: string): void {
  mkdirSync(path, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=755`, "tmpfs", path]);
  mounted.push(path);
}
const enlarge = (path: string, size = "256m"): void => {
  execFileSync("mount", ["-o", `remount,size=${size}`, path]);
};

/** A kernel of a toy's source, with so many symbols that are set beside its own two. */
function declare(source: object, symbols = 0): void {
  const more = Array.from({ length: symbols }, (_, index) => `CONFIG_MORE_${index}=${index % 2 === 0 ? "y" : "m"}\n`);
  site.commit({
    "desired/kernels/toy.yaml": document("KernelConfig", "toy", { config: "toy.kconfig", source }),
    "desired/kernels/toy.kconfig": `CONFIG_PARENT=y\nCONFIG_CHILD=y\nCONFIG_NUMBER=7\n${more.join("")}`,
  });
}
function refused(): string {
  const { exitCode, stdout, stderr } = runAllowed(site, "apply");
  expect(exitCode, stdout + stderr).toBe(1);
  expect(leftovers(site)).toEqual([]);
  return stdout;
}
function done(): void {
  const { exitCode, stdout, stderr } = runAllowed(site, "apply");
  expect(exitCode, stdout + stderr).toBe(0);
}
const generations = (): readonly string[] =>
  readdirSync(join(site.state, "kernels/toy")).filter((name) => /^[0-9a-f]{16}$/.test(name));

describe("room for a kernel is reckoned first, and where there is none nothing is begun:", () => {
  beforeEach(() => {
    site = makeSite({ "desired/host.yaml": document("Host", "host", { budget: { jobs: 2 } }) });
  });

  it("for its source, by what the tarball unpacks to", () => {
    const source = writeToy(join(site.directory, "linux"), toyFiles());
    writeFileSync(join(source, "large"), Buffer.alloc(40 * MEBIBYTE));
    const path = join(site.directory, "linux.tar.xz");
    execFileSync("tar", ["-cJf", path, "-C", site.directory, "linux"]);
    rmSync(source, { recursive: true });
    mountDisk(site.cache, "30m");
    declare({ tarball: { path, sha256: sha256Of(path) } });
    expect(refused()).toMatch(/cannot unpack linux\.tar\.xz: .* has 30\.0 MiB free, about 41\.\d MiB are needed/);
    expect(readdirSync(join(site.cache, "kernels/sources"))).toEqual([]);
    enlarge(site.cache);
    done();
  });

  it("for make, by the symbols that are set; what the last build left counts", () => {
    const directory = writeToy(join(site.directory, "linux"), toyFiles());
    mountDisk(site.cache, "30m");
    declare({ directory }, 50);
    expect(refused()).toMatch(/cannot build kernel toy: .* has 30\.0 MiB free, about 31\.\d MiB are needed/);
    const tree = join(site.cache, "kernels/builds/toy/tree");
    expect(existsSync(join(tree, "main.o"))).toBe(false);
    // As a larger source would have left; it takes of what is free, and is no part of what is needed any more.
    enlarge(site.cache, "44m");
    writeFileSync(join(tree, "objects"), Buffer.alloc(16 * MEBIBYTE, 1));
    done();
  });

  it("for the generation, by what is taken of what make left", () => {
    const directory = writeToy(join(site.directory, "linux"), toyFiles());
    appendFileSync(join(directory, "main.c"), `/* ${"x".repeat(4 * MEBIBYTE)} */\n`);
    mountDisk(join(site.state, "kernels"), "3m");
    declare({ directory });
    expect(refused()).toMatch(/cannot keep kernel toy: .* has 3\.0 MiB free, about 5\.0 MiB are needed/);
    expect(generations()).toEqual([]);
    enlarge(join(site.state, "kernels"));
    done();
    expect(readFileSync(join(site.state, "kernels/toy/current/kernel"), "utf8")).toContain("xxx");
  });
});
