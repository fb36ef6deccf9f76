import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { endsOf, OF_KERNELS, pointsOf } from "../kills/points.ts";
import { makeSite, type Site, sha256Of } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { document, leftovers, type PlanJson } from "./small-site.ts";
import { dieUntilBuilt, runAllowed, toyFiles, writeToy } from "./toy-kernel.ts";

let site: Site;
beforeEach(() => expect(whyNotMount()).toBeUndefined());
afterEach(() => site.remove());

const host = document("Host", "host", { budget: { jobs: 2 }, retention: { generations: 1 } });
const actions = (): readonly string[] =>
  (JSON.parse(runAllowed(site, "plan", "--json").stdout) as PlanJson).steps.map(({ action }) => action);

it("a build that dies by SIGKILL before and after every effect is survived: first, changed, damaged, removed; an object that was half written is never linked", () => {
  site = makeSite({ "desired/host.yaml": host });
  const folder = writeToy(join(site.directory, "toy"), toyFiles());
  const path = join(site.directory, "toy.tar");
  execFileSync("tar", ["-cf", path, "-C", site.directory, "toy"]);
  rmSync(folder, { recursive: true });
  const spec = { config: "toy.kconfig", source: { tarball: { path, sha256: sha256Of(path) } }, onDelete: "destroy" };
  const deaths = join(site.directory, "deaths");
  writeFileSync(deaths, "");
  const place = join(site.state, "kernels/toy");
  const current = (): string => readFileSync(join(place, "current/kernel"), "utf8");
  const declare = (): void => {
    const toy = document("KernelConfig", "toy", spec);
    site.commit({ "desired/kernels/toy.yaml": toy, "desired/kernels/toy.kconfig": "CONFIG_PARENT=y\n" });
  };
  const withdraw = (): void => {
    site.commit({ "desired/kernels/toy.yaml": undefined, "desired/kernels/toy.kconfig": undefined });
  };
  declare();
  const live = (...words: readonly string[]): void =>
    dieUntilBuilt(site, deaths, "^(step )?kernel\\.", "apply", ...words);
  live();
  expect(current()).toContain("CONFIG_PARENT=y");
  expect(actions()).toEqual(["keep"]);

  // What a compiler that was killed leaves is newer than its source: make alone would take it.
  const tree = join(site.cache, "kernels/builds/toy/tree");
  const note = join(site.cache, "kernels/builds/toy/note.json");
  writeFileSync(note, readFileSync(note, "utf8").replace('"running":""', '"running":"killed"'));
  writeFileSync(join(tree, "main.o"), "half");
  site.commit({ "desired/kernels/toy.kconfig": "CONFIG_PARENT=y\nCONFIG_CHILD=y\n" });
  // It dies at the switch again: now there is an older kernel that is to go.
  writeFileSync(deaths, readFileSync(deaths, "utf8").replace(/^kernel\.switch .*\n/gm, ""));
  live();
  expect(readFileSync(join(tree, "main.o"), "latin1")).toContain("ELF");
  expect(readdirSync(place).filter((name) => /^[0-9a-f]{16}$/.test(name))).toHaveLength(1);

  appendFileSync(join(place, "current/kernel"), "damage");
  live();
  expect(current()).not.toContain("damage");
  withdraw();
  live("--yes");
  // What was killed in the middle of that step is forgotten by another: each removal comes to one end of it.
  for (const _ of ["unrecorded", "recorded"]) {
    declare();
    live();
    withdraw();
    live("--yes");
  }
  expect([existsSync(place), leftovers(site), actions()]).toEqual([false, [], []]);
  const died = readFileSync(deaths, "utf8").split("\n");
  expect(died).toEqual(expect.arrayContaining([...pointsOf(OF_KERNELS), ...endsOf(["kernel.build", "kernel.delete"])]));
}, 900_000);
