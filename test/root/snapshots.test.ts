import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FileTree, fingerprint, makeSite, type Site } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { changesOf, document, leftovers, rootOf, small, tarballRoot } from "./small-site.ts";
import { dieUntilDone, sharingVolumes } from "./snapshot-beds.ts";

interface Bed {
  readonly name: string;
  readonly volume: object;
  readonly means: RegExp;
  /** What the volume needs to stand on; returns how to take it away. */
  readonly prepare: (site: Site) => () => void;
}

const nothing = () => () => undefined;

const loop = { backend: "loop", filesystem: "xfs", size: "320MiB" };
const beds: readonly Bed[] = [
  { name: "a directory", volume: { backend: "directory" }, means: /^(reflink copy|copy)$/, prepare: nothing },
  { name: "xfs in an image", volume: loop, means: /^reflink copy$/, prepare: nothing },
  {
    name: "btrfs",
    volume: { backend: "btrfs" },
    means: /^btrfs snapshot$/,
    prepare: (site) => sharingVolumes(site, "btrfs"),
  },
];

const mounts = [{ target: "/shared", type: "bind", volume: "shared", namespace: "host" }];
const files = (bed: Bed, extra: object = {}): FileTree => ({
  ...small,
  "desired/volumes/small.yaml": document("Volume", "small", bed.volume),
  "desired/volumes/shared.yaml": document("Volume", "shared", { backend: "directory" }),
  "desired/roots/small.yaml": tarballRoot({ mounts, ...extra }),
});

interface Listed {
  readonly name: string;
  readonly reason: string;
  readonly note: string;
  readonly who: string;
  readonly means: string;
  readonly revision: string;
}

let site: Site;
let release: () => void = () => undefined;
beforeEach(() => expect(whyNotMount()).toBeUndefined());
afterEach(async () => {
  site.run("unmount", "--all");
  release();
  release = () => undefined;
  await site.remove();
});

function open(bed: Bed, extra: object = {}): void {
  site = makeSite(files(bed, extra));
  release = bed.prepare(site);
  done("apply");
}

function done(...words: readonly string[]): string {
  const ran = site.run(...words);
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  return ran.stdout;
}

const listed = (): readonly Listed[] =>
  site.json<{ readonly snapshots: readonly Listed[] }>("snapshots", "small").snapshots;
const read = (path: string): string => readFileSync(rootOf(site, path), "utf8");

/** Every path with type, mode, owner, link and time, and the size of files: that of a directory is its filesystem's. */
function lookOfRoot(): readonly string[] {
  const facts = "%P %y %m %U %G %l %T@";
  const of = ["(", "-type", "f", "-printf", `${facts} %s\n`, ")", "-o", "-printf", `${facts}\n`];
  return execFileSync("find", [rootOf(site), ...of], { encoding: "utf8" })
    .split("\n")
    .sort();
}

describe.each(beds)("a root on $name", (bed) => {
  it("is snapshotted by name of time, revision and root, with who and why, and what is mounted in it is left out", () => {
    open(bed, { content: "live" });
    writeFileSync(join(site.state, "volumes/shared/cached"), "x");
    done("snapshot", "small", "--note", "first");
    const [first, ...more] = listed();
    expect(more).toEqual([]);
    const revision = execFileSync("git", ["rev-parse", "HEAD"], { cwd: site.directory, encoding: "utf8" }).trim();
    expect(first).toMatchObject({ reason: "person", note: "first", revision });
    expect(first?.means).toMatch(bed.means);
    expect(first?.name).toMatch(new RegExp(`^\\d{8}T\\d{6}\\.\\d{3}Z-${revision.slice(0, 8)}-small$`));
    const found = spawnSync("find", [join(site.state, "volumes/small/.rootloom"), "-name", "cached"], {
      encoding: "utf8",
    });
    expect(found.stdout).toBe("");
    expect(changesOf(site)).toEqual([]);
  }, 180_000);

  it("is rolled back to what it was, overlays and all, and forward again: no snapshot goes", () => {
    open(bed, { content: "live" });
    writeFileSync(rootOf(site, "etc/mine"), "one\n");
    writeFileSync(join(site.state, "volumes/shared/cached"), "x");
    const before = lookOfRoot();
    done("snapshot", "small");
    writeFileSync(rootOf(site, "etc/mine"), "two\n");
    rmSync(rootOf(site, "bin/busybox"));
    const asked = site.run("rollback", "small");
    expect(asked.exitCode).toBe(1);
    expect(asked.stdout).toContain("--yes");
    expect(read("etc/mine")).toBe("two\n");

    const [first] = listed();
    done("rollback", "small", "--yes", "--why", "it is broken");
    expect(lookOfRoot()).toEqual(before);
    expect(read("shared/cached")).toBe("x");
    expect(site.run("status").stdout).toContain("it is broken");
    expect(listed().map(({ name }) => name)).toContain(first?.name);
    const present = listed().find(({ reason }) => reason === "rollback");
    expect(present?.note).toContain(String(first?.name));
    expect(changesOf(site)).toEqual([]);

    done("rollback", "small", String(present?.name), "--yes");
    expect(read("etc/mine")).toBe("two\n");
    expect(existsSync(rootOf(site, "bin/busybox"))).toBe(false);
    expect(listed().length).toBe(3);
    expect(leftovers(site)).toEqual([]);
  }, 240_000);

  it("keeps a rolled back managed root as it is until it is resumed, and then corrects it", () => {
    open(bed);
    writeFileSync(rootOf(site, "etc/mine"), "edited\n");
    done("snapshot", "small");
    done("apply");
    expect(existsSync(rootOf(site, "etc/mine"))).toBe(false);
    done("rollback", "small", "--yes");
    site.run("apply");
    expect(read("etc/mine")).toBe("edited\n");
    done("resume", "root/small");
    expect(existsSync(rootOf(site, "etc/mine"))).toBe(false);
  }, 240_000);
});

/** A copy beside, and a snapshot of the backend's own: what a kill can leave of the others is the same. */
const killed = beds.filter(({ name }) => name !== "xfs in an image");

describe.each(killed)("a root on $name, while it is snapshotted and rolled back,", (bed) => {
  it("survives a kill before and after each effect", () => {
    open(bed, { content: "live" });
    writeFileSync(rootOf(site, "etc/mine"), "one\n");
    const deaths = join(site.directory, "deaths");
    writeFileSync(deaths, "");
    dieUntilDone(site, deaths, "^tree", "snapshot", "small");
    const [first] = listed();
    expect(listed().length).toBeGreaterThanOrEqual(1);
    writeFileSync(rootOf(site, "etc/mine"), "two\n");
    dieUntilDone(site, deaths, "^tree", "rollback", "small", String(first?.name), "--yes");
    expect(read("etc/mine")).toBe("one\n");
    done("apply");
    expect(leftovers(site)).toEqual([]);
    expect(changesOf(site)).toEqual([]);
    const points = readFileSync(deaths, "utf8").split("\n");
    for (const effect of ["tree.snapshot", "tree.build", "tree.swap.keep-old", "tree.swap.place-new"])
      expect(points).toEqual(expect.arrayContaining([`${effect} begun`, `${effect} done`]));
  }, 400_000);
});

describe("what cannot be rolled back", () => {
  const bed = beds[0] as Bed;

  it("a root without a snapshot, or with none of that name, says what to do", () => {
    open(bed);
    const none = site.run("rollback", "small", "--yes");
    expect([none.exitCode, none.stderr]).toEqual([1, expect.stringContaining("it has no snapshots")]);
    done("snapshot", "small");
    const wrong = site.run("rollback", "small", "2001", "--yes");
    expect([wrong.exitCode, wrong.stderr]).toEqual([1, expect.stringContaining("it has no snapshot 2001")]);
  });

  it("a root in which somebody else mounted something stays as it is", () => {
    open(bed, { content: "live" });
    done("snapshot", "small");
    const theirs = rootOf(site, "mnt");
    mkdirSync(theirs, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", theirs]);
    try {
      const ran = site.run("rollback", "small", "--yes");
      expect([ran.exitCode, ran.stderr]).toEqual([1, expect.stringContaining(`something is mounted at ${theirs}`)]);
      expect(listed().length).toBe(1);
    } finally {
      execFileSync("umount", [theirs]);
    }
  });

  it("a copy of a snapshot made by hand is none of ours, and looking writes nothing", () => {
    open(bed);
    done("snapshot", "small");
    const folder = join(site.state, "volumes/small/.rootloom/root-snapshots");
    const [name = ""] = readdirSync(folder).filter((each) => !each.endsWith(".json"));
    const copy = name.replace(/^\d{4}/, "2001");
    execFileSync("cp", ["-a", join(folder, name), join(folder, copy)]);
    execFileSync("cp", ["-a", join(folder, `${name}.json`), join(folder, `${copy}.json`)]);
    const before = fingerprint(site.state);
    expect(listed().map((each) => each.name)).toEqual([name]);
    expect(fingerprint(site.state)).toBe(before);
  });
});
