import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSite, type Site } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { document, leftovers, type PlanJson } from "./small-site.ts";
import { runAllowed, toyFiles, writeToy } from "./toy-kernel.ts";

let site: Site;
let path: string | undefined;
beforeEach(() => {
  expect(whyNotMount()).toBeUndefined();
  path = process.env.PATH;
});
afterEach(() => {
  process.env.PATH = path;
  return site.remove();
});

const declare = (source: object): string =>
  site.commit({
    "desired/kernels/toy.yaml": document("KernelConfig", "toy", { config: "toy.kconfig", source }),
    "desired/kernels/toy.kconfig": "CONFIG_PARENT=y\n",
  });
const actions = (): readonly string[] =>
  (JSON.parse(runAllowed(site, "plan", "--json").stdout) as PlanJson).steps.map(({ action }) => action);
const asked = (): readonly string[] => readFileSync(join(site.directory, "asked"), "utf8").trim().split("\n");

/** Packages that are built by the real tool, and an apt that has only these: it takes no network. */
function makeArchive(): void {
  const packages = join(site.directory, "packages");
  const tools = join(site.directory, "tools");
  const source = writeToy(join(site.directory, "linux-source-toy"), toyFiles());
  for (const name of ["linux-source-toy", "nothing-in-it"]) {
    const top = join(site.directory, `${name}.tree`);
    mkdirSync(join(top, "DEBIAN"), { recursive: true, mode: 0o755 });
    mkdirSync(join(top, "usr/src"), { recursive: true });
    const control = `Package: ${name}\nVersion: 1:2.0\nArchitecture: all\nMaintainer: test <test@example.invalid>\nDescription: toy\n`;
    writeFileSync(join(top, "DEBIAN/control"), control);
    const tarball = join(top, "usr/src", `${name}.tar.xz`);
    if (name === "linux-source-toy") execFileSync("tar", ["-cJf", tarball, "-C", join(source, ".."), name]);
    mkdirSync(packages, { recursive: true });
    execFileSync("dpkg-deb", ["--build", "--root-owner-group", top, join(packages, `${name}.deb`)], {
      stdio: "ignore",
    });
  }
  mkdirSync(tools);
  const apt = join(tools, "apt-get");
  const lines = [
    "#!/bin/sh",
    `echo "$*" >> ${join(site.directory, "asked")}`,
    `for name; do :; done; name="\${name%%=*}"`,
    `[ -f ${packages}/$name.deb ] || { echo "E: Unable to locate package $name" >&2; exit 100; }`,
    `case "$*" in *--print-uris*) echo "'file:$name.deb' $name.deb $(cat ${join(site.directory, "said")} 2>/dev/null || echo 9) "; exit;; esac`,
    `cp ${packages}/$name.deb "./\${name}_1%3a2.0_all.deb"`,
  ];
  writeFileSync(apt, `${lines.join("\n")}\n`);
  chmodSync(apt, 0o755);
  process.env.PATH = `${tools}:${process.env.PATH}`;
}

describe("a kernel whose source is in a package of the distribution", () => {
  it("is fetched once by the package manager, unpacked, built, and kept for hosts that are offline", () => {
    site = makeSite({ "desired/host.yaml": document("Host", "host", { budget: { jobs: 2 } }) });
    makeArchive();
    declare({ package: { name: "linux-source-toy", version: "1:2.0" } });
    const offline = runAllowed(site, "apply", "--offline");
    expect([offline.exitCode, offline.stdout]).toEqual([1, expect.stringContaining("this host is offline")]);
    const first = runAllowed(site, "apply");
    expect(first.exitCode, first.stdout + first.stderr).toBe(0);
    expect(readFileSync(join(site.state, "kernels/toy/current/kernel"), "utf8")).toContain('version = "one"');
    const words = ["--quiet --print-uris download linux-source-toy=1:2.0", "--quiet download linux-source-toy=1:2.0"];
    expect(asked()).toEqual(words);
    expect(actions()).toEqual(["keep"]);
    site.commit({ "desired/kernels/toy.kconfig": "CONFIG_PARENT=y\nCONFIG_CHILD=y\n" });
    const again = runAllowed(site, "apply", "--offline");
    expect(again.exitCode, again.stdout + again.stderr).toBe(0);
    expect(asked()).toEqual(words);
    expect(leftovers(site)).toEqual([]);
  });

  it("is not fetched where its package and the tarball in it have no room beside each other: the figures are said", () => {
    site = makeSite({ "desired/host.yaml": document("Host", "host", {}) });
    makeArchive();
    writeFileSync(join(site.directory, "said"), String(2 ** 50));
    declare({ package: { name: "linux-source-toy" } });
    const full = runAllowed(site, "apply");
    expect([full.exitCode, full.stdout]).toEqual([
      1,
      expect.stringMatching(/cannot fetch the package linux-source-toy: .* free, about 2048\.0 TiB are needed/),
    ]);
    expect(asked()).toEqual(["--quiet --print-uris download linux-source-toy"]);
    expect(leftovers(site)).toEqual([]);
  });

  it("is not built from a package that is not there, or has no source in it, and nothing of it stays", () => {
    site = makeSite({ "desired/host.yaml": document("Host", "host", { budget: { jobs: 2 } }) });
    makeArchive();
    declare({ package: { name: "linux-source-none" } });
    const missing = runAllowed(site, "apply");
    expect(missing.exitCode).toBe(1);
    expect(missing.stdout).toContain("Unable to locate package linux-source-none");
    expect(missing.stdout).toContain("apt-get update; then look at the name and the version");
    declare({ package: { name: "nothing-in-it" } });
    const empty = runAllowed(site, "apply");
    expect(empty.exitCode).toBe(1);
    expect(empty.stdout).toContain("cannot build kernel toy: the package nothing-in-it has no tarball in /usr/src");
    expect(readdirSync(join(site.state, "kernels/toy")).filter((name) => name !== ".rootloom.json")).toEqual([]);
    expect(leftovers(site)).toEqual([]);
  });
});
