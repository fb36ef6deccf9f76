import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FileTree, makeSite, type Site } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { changesOf, document, leftovers, type PlanJson, rootOf, small } from "./small-site.ts";
import { dieUntilDone, sharingVolumes } from "./snapshot-beds.ts";

interface Bed {
  readonly name: string;
  readonly volume: object;
  readonly below: "btrfs" | "xfs" | undefined;
  /** What the plan says of the volume and of the root, and the report of the root. */
  readonly volumePlan: string;
  readonly rootPlan: string;
  readonly means: string;
}

const whole = (means: string) => ({
  volumePlan: `new: a ${means} of volume/small, with tree/small in it`,
  rootPlan: `new: a ${means} of tree/small`,
  means: `a ${means} of tree/small`,
});
const copied = (means: string) => ({
  volumePlan: "new",
  rootPlan: `new: a ${means} of tree/small`,
  means: `a ${means} of tree/small`,
});
const loop = { backend: "loop", filesystem: "xfs", size: "320MiB" };
const beds: readonly Bed[] = [
  { name: "btrfs", volume: { backend: "btrfs" }, below: "btrfs", ...whole("btrfs snapshot") },
  { name: "images on xfs", volume: loop, below: "xfs", ...whole("reflink copy") },
  { name: "directories on xfs", volume: { backend: "directory" }, below: "xfs", ...copied("reflink copy") },
];

const clone = { volume: "two", source: { clone: { root: "small" } } };
const files = ({ volume }: Pick<Bed, "volume">): FileTree => ({
  ...small,
  "desired/volumes/small.yaml": document("Volume", "small", volume),
});
const withClone = ({ volume }: Pick<Bed, "volume">): FileTree => ({
  "desired/volumes/two.yaml": document("Volume", "two", volume),
  "desired/roots/two.yaml": document("Root", "two", clone),
});

let site: Site;
let release: () => void = () => undefined;
beforeEach(() => expect(whyNotMount()).toBeUndefined());
afterEach(async () => {
  site.run("unmount", "--all");
  release();
  release = () => undefined;
  await site.remove();
});

function open(bed: Bed): void {
  site = makeSite(files(bed));
  if (bed.below !== undefined) release = sharingVolumes(site, bed.below);
  done("apply");
}

function done(...words: readonly string[]): string {
  const ran = site.run(...words);
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
}

const two = (path = ""): string => join(site.state, "volumes/two", path);
const reasonOf = (plan: PlanJson, id: string) => plan.steps.find((step) => step.id === id)?.reason;

const notesOf = (root: string): readonly string[] =>
  site.json<{ readonly snapshots: readonly { note: string }[] }>("snapshots", root).snapshots.map(({ note }) => note);

describe.each(beds)("a clone of a root on $name", (bed) => {
  it("is made the way that plan and report say, without the snapshots of its origin, and neither changes with the other", () => {
    open(bed);
    for (const note of ["first", "second"]) done("snapshot", "small", "--note", note);
    site.commit(withClone(bed));
    const plan = site.json<PlanJson>("plan");
    expect([reasonOf(plan, "volume/two"), reasonOf(plan, "tree/two")]).toEqual([bed.volumePlan, bed.rootPlan]);
    expect(done("apply")).toContain(bed.means);
    expect(changesOf(site)).toEqual([]);
    expect(readdirSync(two()).sort()).toEqual([".rootloom", "root"]);
    expect(existsSync(two(".rootloom/clone.json"))).toBe(false);
    expect(notesOf("small")).toEqual(["first", "second"]);
    expect(notesOf("two")).toEqual([]);

    writeFileSync(two("root/etc/mine"), "edited\n");
    expect(existsSync(rootOf(site, "etc/mine"))).toBe(false);
    writeFileSync(rootOf(site, "opt/tool.conf"), "edited\n");
    expect(readFileSync(two("root/opt/tool.conf"), "utf8")).toBe("a = 1\n");
    expect(leftovers(site)).toEqual([]);
  });
});

describe("a clone of a root on btrfs", () => {
  const bed = beds[0] as Bed;

  it("is copied file by file where its origin's volume holds more than the root, and says so", () => {
    open(bed);
    mkdirSync(join(site.state, "volumes/small/other"));
    site.commit(withClone(bed));
    const said = done("apply");
    expect(said).toContain("tree/small is copied into it file by file: volume/small holds more than it: other");
    expect(said).toContain("a reflink copy of tree/small");
    expect(readdirSync(two()).sort()).toEqual([".rootloom", "root"]);
    expect(changesOf(site)).toEqual([]);
  });

  it("survives a kill before and after each effect of its volume and of itself", () => {
    open(bed);
    site.commit(withClone(bed));
    const deaths = join(site.directory, "deaths");
    writeFileSync(deaths, "");
    dieUntilDone(site, deaths, "^(volume|tree)", "apply");
    const points = readFileSync(deaths, "utf8").split("\n");
    for (const effect of ["volume.create", "tree.snapshot", "tree.note"])
      expect(points).toEqual(expect.arrayContaining([`${effect} begun`, `${effect} done`]));
    expect(changesOf(site)).toEqual([]);
    expect(leftovers(site)).toEqual([]);
    expect(notesOf("small")).toEqual([]);
    expect(readFileSync(two("root/opt/tool.conf"), "utf8")).toBe("a = 1\n");
  }, 240_000);

  it("takes no root for its own that only stands where one is declared", () => {
    open(bed);
    site.commit(withClone(bed));
    mkdirSync(two("root"), { recursive: true });
    writeFileSync(two("root/precious"), "theirs");
    const plan = site.json<PlanJson>("plan");
    expect(plan.steps.find(({ id }) => id === "volume/two")?.blocked?.condition).toBe("Refused");
    site.run("apply");
    expect(readFileSync(two("root/precious"), "utf8")).toBe("theirs");
  });
});
