import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeSite, type Site, sha256Of } from "../../kit.ts";
import { whyNotMount } from "../private-namespace.ts";
import { document, imageOf, leftovers, type PlanJson, small } from "../small-site.ts";
import { runAllowed, toyFiles, writeToy } from "../toy-kernel.ts";

let site: Site;
beforeEach(() => {
  expect(whyNotMount()).toBeUndefined();
  site = makeSite(small);
  mkdirSync(join(site.state, "published"), { recursive: true });
});
afterEach(() => site.remove());

const place = (...names: readonly string[]): string => join(site.state, "published/toy", ...names);
const offered = (ending: string): readonly string[] =>
  readdirSync(place("current")).filter((name) => name.endsWith(ending));
const applied = (): void => {
  const ran = runAllowed(site, "apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
};
const step = () =>
  (JSON.parse(runAllowed(site, "plan", "--json").stdout) as PlanJson).steps.find(({ id }) => id === "publish/toy");

it("a kernel with an image in it is published behind its build, with what both were made of, and again when the image changed", () => {
  const source = writeToy(join(site.directory, "linux"), toyFiles());
  const spec = { config: "toy.kconfig", source: { directory: source }, initramfs: "a", needs: "add" };
  site.commit({
    "desired/kernels/toy.yaml": document("KernelConfig", "toy", { ...spec, publish: { directory: place() } }),
    "desired/kernels/toy.kconfig": "CONFIG_PARENT=y\nCONFIG_BINFMT_ELF=y\n",
  });
  applied();
  const [kernel = ""] = offered(".kernel");
  expect(sha256Of(place("current", kernel))).toBe(sha256Of(join(site.state, "kernels/toy/current/kernel")));
  execFileSync("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: place("current") });
  const [provenance = ""] = offered(".provenance.json");
  const facts = JSON.parse(readFileSync(place("current", provenance), "utf8"));
  expect(facts).toMatchObject({
    ...{ image: "toy", files: [{ name: kernel, sha256: sha256Of(place("current", kernel)) }] },
    inputs: { architecture: "x86_64", initramfs: sha256Of(imageOf(site)), compiler: expect.stringContaining("gcc") },
  });
  expect(facts.initramfs.layers.map(({ name }: { name: string }) => name)).toContain("overlay/hardware/one");
  expect(step()?.action).toBe("keep");
  site.commit({ "desired/overlays/hardware/one/etc/one.conf": "two\n" });
  expect(step()).toMatchObject({ action: "update", reason: "kernel/toy changes in this pass" });
  applied();
  expect(offered(".kernel")).toHaveLength(2);
  expect(step()?.action).toBe("keep");
  expect(leftovers(site)).toEqual([]);
});
