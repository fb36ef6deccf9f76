import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FileTree, fingerprint, makeSite, project, type Site, sha256Of } from "../kit.ts";
import { makePerson, NOBODY, type Person } from "./person.ts";
import { whyNotMount } from "./private-namespace.ts";
import { document, imageOf, small } from "./small-site.ts";

const why = whyNotMount();
let person: Person;
let site: Site;

function makeReadableSite(files: FileTree): Site {
  const made = makeSite(files);
  chmodSync(made.directory, 0o755);
  return made;
}

describe.skipIf(why !== undefined)("without root, from a checkout of somebody else", () => {
  beforeEach(() => {
    person = makePerson();
    site = makeReadableSite(small);
  });
  afterEach(async () => {
    await site.remove();
    person.remove();
  });

  const run = (...words: readonly string[]) => person.run(site.directory, words);

  it("validate and plan work on the example, and leave the checkout as it is", () => {
    site.write(Object.fromEntries(Object.keys(small).map((name) => [name, undefined])));
    cpSync(join(project, "desired"), join(site.directory, "desired"), { recursive: true });
    site.commit({}, "the example");
    const before = fingerprint(site.directory);
    expect(run("validate")).toMatchObject({ exitCode: 0, stderr: "" });
    const plan = run("plan");
    expect(plan.stderr).toBe("");
    expect(plan.stdout).toContain("root debian");
    expect(plan.exitCode).toBe(2);
    expect(run("plan", "--worktree").exitCode).toBe(2);
    expect(fingerprint(site.directory)).toBe(before);
  });

  it("validate and plan work where cache and state belong to root and cannot be looked into", () => {
    for (const name of [".cache/rootloom/trees", "state/volumes"]) {
      mkdirSync(join(site.directory, name), { recursive: true });
    }
    for (const name of [".cache/rootloom", "state"]) chmodSync(join(site.directory, name), 0o700);
    expect(run("validate")).toMatchObject({ exitCode: 0, stderr: "" });
    const plan = run("plan");
    expect(plan).toMatchObject({ exitCode: 2, stderr: "" });
    expect(plan.stdout).toContain("another user's and cannot be read");
    expect(plan.stdout).toContain("volume small");
    expect(readdirSync(join(person.home, ".cache"))).toEqual(["rootloom"]);
  });

  it("plan works after root has converged the same checkout, whatever root made unreadable", () => {
    expect(site.run("apply").exitCode).toBe(0);
    const before = fingerprint(site.state);
    expect(run("validate").exitCode).toBe(0);
    expect(run("plan")).toMatchObject({ exitCode: 2, stderr: "" });
    expect(run("drift")).toMatchObject({ exitCode: 1 });
    expect(run("drift").stderr).toMatch(/permission denied\nhint: run as root/);
    expect(fingerprint(site.state)).toBe(before);
  });

  it("the cache goes where XDG_CACHE_HOME says", () => {
    const cache = join(person.home, "elsewhere");
    expect(person.run(site.directory, ["validate"], { XDG_CACHE_HOME: cache }).exitCode).toBe(0);
    expect(readdirSync(cache)).toEqual(["rootloom"]);
    expect(existsSync(join(person.home, ".cache"))).toBe(false);
  });

  it("a step that needs root says so in one line with a hint, exits 1, and begins nothing", () => {
    const state = join(person.home, "state");
    const ran = run("--state", state, "apply");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toContain("error  cannot run volume.create of volume/small: it needs root\n");
    expect(ran.stdout).toMatch(/hint {3}run it as root/);
    // What waits for the volume, near or far, was not begun: no error of its own, nothing on disk.
    expect(ran.stdout.match(/error {2}/g)).toHaveLength(1);
    expect(readdirSync(state).sort()).toEqual(["instance", "lock", "reports", "rootloom.db"]);
    expect(run("--state", state, "plan").stdout).toContain("the volume small will be created");
  });

  it("doctor tells what it cannot look into, and goes on", () => {
    mkdirSync(site.state, 0o700);
    const ran = run("doctor");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toMatch(/error +store .*permission denied/);
    expect(ran.stdout).toMatch(/ok +space/);
  });
});

describe.skipIf(why !== undefined)("without root, a tarball without a volume", () => {
  beforeEach(() => {
    person = makePerson();
    site = makeReadableSite({ "desired/overlays/common/etc/common.conf": "common\n" });
    makeTarball();
  });
  afterEach(async () => {
    await site.remove();
    person.remove();
  });

  const tarball = (): string => join(site.directory, "stage.tar");
  const state = (): string => join(person.home, "state");
  const imageOfPerson = (): string => join(state(), "artifacts/a/current/initramfs.cpio.gz");
  const apply = () => person.run(site.directory, ["--state", state(), "apply"]);

  /** Owners, modes, a hard link and a device: what only root could lay on a disk. */
  function makeTarball(): void {
    const tree = join(site.directory, "tree");
    mkdirSync(join(tree, "etc"), { recursive: true });
    writeFileSync(join(tree, "init"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(tree, "etc/secret"), "x".repeat(50_000), { mode: 0o600 });
    chownSync(join(tree, "etc/secret"), 1234, 42);
    execFileSync("ln", [join(tree, "init"), join(tree, "etc/init")]);
    execFileSync("mknod", [join(tree, "etc/null"), "c", "1", "3"]);
    execFileSync("tar", ["--create", "--file", tarball(), "--sort=name", "-C", tree, "."]);
    chmodSync(tarball(), 0o644);
  }

  function declare(path: string, sha256 = sha256Of(path)): void {
    site.commit({
      "desired/roots/stage.yaml": document("Root", "stage", { source: { tarball: { path, sha256 } } }),
      "desired/images/a.yaml": document("Image", "a", { root: "stage" }),
    });
  }

  it("is packed as a layer, byte for byte as root packs it, with the owners of its headers; then all is kept", () => {
    declare(tarball());
    const ran = apply();
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    const listing = execFileSync("cpio", ["--list", "--verbose", "--numeric-uid-gid"], {
      input: gunzipSync(readFileSync(imageOfPerson())),
      stdio: ["pipe", "pipe", "ignore"],
    }).toString();
    expect(listing).toMatch(/^-rw-{7} +1 1234 +42 .* etc\/secret$/m);
    expect(listing).toMatch(/^-rwxr-xr-x +2 0 +0 .* init$/m);
    expect(listing).toMatch(/^crw.* 1, +3 .* etc\/null$/m);
    expect(listing).toMatch(/^-rw-r--r-- +1 0 +0 .* etc\/common\.conf$/m);
    const written = fingerprint(state());
    expect(apply()).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/nothing to do/) });
    expect(person.run(site.directory, ["--state", state(), "plan"]).exitCode).toBe(0);
    expect(fingerprint(state())).toBe(written);

    expect(site.run("apply").exitCode).toBe(0);
    expect(sha256Of(imageOf(site))).toBe(sha256Of(imageOfPerson()));
  });

  it.each([
    ["xz", "xz"],
    ["zst", "zstd"],
    ["gz", "gzip"],
  ])("is packed from .tar.%s to the same bytes as from the plain one", (ending, tool) => {
    declare(tarball());
    expect(apply().exitCode).toBe(0);
    const plain = sha256Of(imageOfPerson());
    const compressed = `${tarball()}.${ending}`;
    writeFileSync(compressed, execFileSync(tool, ["-c", tarball()], { maxBuffer: 1 << 28 }), { mode: 0o644 });
    declare(compressed);
    const ran = apply();
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    expect(sha256Of(imageOfPerson())).toBe(plain);
    expect(apply().stdout).toMatch(/nothing to do/);
  });

  it("that is damaged or has another hash is refused with its name; the image that was there stays", () => {
    declare(tarball());
    expect(apply().exitCode).toBe(0);
    const good = sha256Of(imageOfPerson());
    const damaged = `${tarball()}.xz`;
    writeFileSync(damaged, execFileSync("xz", ["-c", tarball()]).subarray(0, -40), { mode: 0o644 });
    declare(damaged);
    const cut = apply();
    expect(cut.exitCode).toBe(1);
    expect(cut.stdout).toMatch(/xz/);
    declare(damaged, "0".repeat(64));
    const wrong = apply();
    expect(wrong.exitCode).toBe(1);
    expect(wrong.stdout).toContain(`cannot use the tarball ${damaged}: its sha256 is`);
    expect(sha256Of(imageOfPerson())).toBe(good);
    const cache = join(person.home, ".cache/rootloom");
    const left = readdirSync(cache, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".partial"));
    expect(left).toEqual([]);
  });

  it("leaves nothing of the person's that others can write to, and nothing outside its home", () => {
    declare(tarball());
    const before = fingerprint(site.directory);
    expect(apply().exitCode).toBe(0);
    expect(fingerprint(site.directory)).toBe(before);
    const open = execFileSync("find", [person.home, "-perm", "/022", "-not", "-type", "l"]).toString();
    expect(open).toBe("");
    const foreign = execFileSync("find", [person.home, "-not", "-uid", `${NOBODY}`]).toString();
    expect(foreign).toBe("");
  });
});
