import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type FileTree, fixtures, makeSite, type Site, sha256Of } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { changesOf, document, type PlanJson } from "./small-site.ts";

/** A whole Debian root, and a repository of two tiny packages that is made here: no network. */
const tarball = join(fixtures, "minbase-bookworm.tar");
let site: Site;
beforeEach(() => expect(whyNotMount()).toBeUndefined());
afterEach(() => site.remove());

/** `tool` needs `library`, recommends `extra`, which is nowhere, and provides `virtual-tool`. */
function makeRepository(folder: string): void {
  const control: Readonly<Record<string, string>> = {
    tool: "Depends: library\nRecommends: extra\nProvides: virtual-tool\n",
    library: "",
  };
  for (const [name, more] of Object.entries(control)) {
    const build = join(folder, "build", name);
    mkdirSync(join(build, "DEBIAN"), { recursive: true });
    mkdirSync(join(build, "etc"), { recursive: true });
    const head = `Package: ${name}\nVersion: 1.0\nArchitecture: all\nMaintainer: A Test <test@example.invalid>\n`;
    writeFileSync(join(build, "DEBIAN/control"), `${head}${more}Description: of a test\n`);
    writeFileSync(join(build, "etc", `${name}.made`), `${name}\n`);
    execFileSync("dpkg-deb", ["--root-owner-group", "--build", build, join(folder, `${name}.deb`)], { stdio: "pipe" });
  }
  rmSync(join(folder, "build"), { recursive: true });
  const entries = Object.keys(control).map((name) => {
    const file = join(folder, `${name}.deb`);
    const fields = execFileSync("dpkg-deb", ["--field", file], { encoding: "utf8" });
    return `${fields}Filename: ./${name}.deb\nSize: ${readFileSync(file).length}\nSHA256: ${sha256Of(file)}\n`;
  });
  writeFileSync(join(folder, "Packages"), entries.join("\n"));
}

const root = (packages: object): string =>
  document("Root", "debian", {
    volume: "debian",
    source: { tarball: { path: tarball, sha256: sha256Of(tarball) } },
    mounts: [
      { target: "/proc", type: "proc" },
      { target: "/srv", type: "bind", source: join(site.state, "repository"), options: ["ro"] },
    ],
    provision: {
      files: [{ path: "/etc/apt/sources.list", from: ["parts/sources.list"] }],
      steps: [{ name: "tools", packages: { adapter: "apt", ...packages }, timeout: "5m" }],
    },
  });

const files: FileTree = {
  "desired/volumes/debian.yaml": document("Volume", "debian", { backend: "directory" }),
  "desired/parts/sources.list": "deb [trusted=yes] file:/srv ./\n",
};
const applied = (): string => {
  const ran = site.run("apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
};
const inDebian = (path: string): string => join(site.state, "volumes/debian/root", path);
const status = (): string => readFileSync(inDebian("var/lib/dpkg/status"), "utf8");

it("apt installs what is declared from a repository without a network, sees what is missing, and removes with what nobody needs any more", () => {
  site = makeSite(files);
  mkdirSync(join(site.state, "repository"), { recursive: true });
  makeRepository(join(site.state, "repository"));
  site.commit({ "desired/roots/debian.yaml": root({ install: ["tool"] }) });
  applied();
  expect([existsSync(inDebian("etc/tool.made")), existsSync(inDebian("etc/library.made"))]).toEqual([true, true]);
  expect(changesOf(site)).toEqual([]);

  // Somebody takes it out behind our back.
  execFileSync("chroot", [join(site.state, "volumes/debian/root"), "dpkg", "--purge", "tool"], { stdio: "pipe" });
  const step = site.json<PlanJson>("plan").steps.find(({ id }) => id === "provision/debian");
  expect(step).toMatchObject({ cause: "corrective", reason: "step tools: tool is not installed" });
  applied();
  expect([existsSync(inDebian("etc/tool.made")), changesOf(site)]).toEqual([true, []]);

  site.commit({ "desired/roots/debian.yaml": root({ install: ["virtual-tool", "library=1.0"] }) });
  applied();
  expect(changesOf(site)).toEqual([]);

  site.commit({ "desired/roots/debian.yaml": root({ install: ["bash"], remove: ["tool", "library"] }) });
  applied();
  expect(status()).not.toMatch(/^Package: (tool|library)$/m);
  expect([existsSync(inDebian("etc/library.made")), changesOf(site)]).toEqual([false, []]);

  site.commit({ "desired/roots/debian.yaml": root({ install: ["nowhere-to-be-had"] }) });
  const ran = site.run("apply");
  expect([ran.exitCode, ran.stdout]).toEqual([1, expect.stringMatching(/Unable to locate package nowhere-to-be-had/)]);
}, 300_000);
