import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { eventually, fingerprint, makeSite, type Ran, type Site, sha256Of } from "../kit.ts";
import { changesOf, document, imageOf, keptOf, leftovers, rootOf, small, tarball, tarballRoot } from "./small-site.ts";

let site: Site;
afterEach(() => site.remove());

function converged(): void {
  const ran = site.run("apply");
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
}

/** Runs a command that must fail, and proves that volumes and artifacts are byte for byte as they were. */
function refused(...command: readonly string[]): string {
  const before = keptOf(site);
  const ran = site.run(...command);
  expect(ran.exitCode, textOf(ran)).toBe(1);
  expect(keptOf(site)).toBe(before);
  return textOf(ran);
}

/** Words of the output with line breaks and indentation taken out: tables wrap. */
function textOf(ran: Ran): string {
  return `${ran.stdout} ${ran.stderr}`.replace(/\s+/g, " ");
}

function git(...arguments_: readonly string[]): string {
  const identity = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"];
  return execFileSync("git", [...identity, ...arguments_], { cwd: site.directory, encoding: "utf8", stdio: "pipe" });
}

describe("a document that is wrong", () => {
  it("with invalid YAML is named with its place, and the host stays as it was", () => {
    site = makeSite(small);
    converged();
    const written = fingerprint(site.state);
    site.commit({ "desired/images/a.yaml": "apiVersion: rootloom/v1\nkind: Image\nmetadata: {name: a\nspec: {}\n" });
    expect(refused("validate")).toMatch(/desired\/images\/a\.yaml:4:1: .*hint: /);
    expect(refused("plan")).toMatch(/nothing is planned until they are mended/);
    expect(fingerprint(site.state)).toBe(written);
    expect(refused("apply")).toMatch(/desired\/images\/a\.yaml:4:1: /);
  });

  it("of an unknown kind gets the nearest kind suggested", () => {
    site = makeSite({ ...small, "desired/images/b.yaml": document("Imagee", "b", { root: "small" }) });
    expect(refused("validate")).toMatch(/desired\/images\/b\.yaml:1:\d+: .*Imagee.*hint: .*Image/);
    expect(refused("apply")).toMatch(/Imagee/);
    expect(existsSync(join(site.state, "volumes"))).toBe(false);
  });

  it("that names a kconfig which is not there says where, and what to add", () => {
    site = makeSite({
      ...small,
      "desired/kernels/cloud.yaml": document("KernelConfig", "cloud", { config: "cloud.kconfig" }),
      "desired/images/a.yaml": document("Image", "a", { root: "small", kernel: "cloud" }),
    });
    expect(refused("validate")).toMatch(/desired\/kernels\/cloud\.yaml:1:\d+: .*cloud\.kconfig.*hint: /);
    site.commit({
      "desired/kernels/cloud.kconfig":
        "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_GZIP=y\nCONFIG_BINFMT_ELF=y\nCONFIG_DEVTMPFS=y\nCONFIG_BINFMT_SCRIPT=y\n",
    });
    expect(site.run("validate").exitCode).toBe(0);
  });
});

describe("a problem that stays", () => {
  it("of the documents is written down once, not with every pass", () => {
    site = makeSite(small);
    converged();
    site.commit({ "desired/images/a.yaml": "kind: [\n" });
    expect(refused("apply")).toContain("desired/images/a.yaml:2:1:");
    const written = fingerprint(site.state);
    expect(refused("apply")).toContain("desired/images/a.yaml:2:1:");
    expect(fingerprint(site.state)).toBe(written);
    expect(site.run("status").exitCode).toBe(4);
  });

  it("of a resource that was never made goes with its declaration", () => {
    const path = "/srv/rootloom-test-volume";
    const elsewhere = document("Volume", "elsewhere", { backend: "directory", path });
    site = makeSite({ ...small, "desired/volumes/elsewhere.yaml": elsewhere });
    expect(site.run("apply").exitCode).toBe(1);
    expect(textOf(site.run("status"))).toContain("volume/elsewhere");
    site.commit({ "desired/volumes/elsewhere.yaml": undefined });
    converged();
    const status = site.run("status");
    expect(textOf(status)).not.toContain("volume/elsewhere");
    expect(status.exitCode).toBe(0);
  });
});

describe("a source that is wrong", () => {
  it("because its tarball is not there fails its root only, and converges once the file is put there", () => {
    site = makeSite(small);
    const missing = join(site.directory, "missing.tar");
    site.commit({ "desired/roots/small.yaml": tarballRoot({}, missing, sha256Of(tarball)) });
    const ran = site.run("apply");
    expect(ran.exitCode).toBe(1);
    expect(textOf(ran)).toContain(`cannot read the source of tree small: ${missing} is not there`);
    expect(textOf(ran)).toContain(`put the tarball at ${missing}`);
    expect(existsSync(rootOf(site))).toBe(false);
    writeFileSync(missing, readFileSync(tarball));
    converged();
    expect(changesOf(site)).toEqual([]);
  });

  it("because its hash is another says both hashes, and the old root and image stay, even when it is approved", () => {
    site = makeSite(small);
    converged();
    const wrong = "0".repeat(64);
    site.commit({ "desired/roots/small.yaml": tarballRoot({}, tarball, wrong) });
    const text = refused("apply", "--yes");
    expect(text).toContain(`sha256 of ${tarball} is ${sha256Of(tarball)}, ${wrong} is declared`);
    expect(text).toMatch(/hint.*fetch the file again/);
    site.commit({ "desired/roots/small.yaml": tarballRoot() });
    expect(changesOf(site)).toEqual([]);
  });

  it("because it is no archive leaves nothing half-filled behind", () => {
    site = makeSite(small);
    const text = join(site.directory, "text.tar");
    writeFileSync(text, "this is no archive\n".repeat(1000));
    site.commit({ "desired/roots/small.yaml": tarballRoot({}, text) });
    const ran = site.run("apply");
    expect(ran.exitCode).toBe(1);
    expect(textOf(ran)).toContain("cannot fill tree small: cannot run tar: ");
    expect(textOf(ran)).toContain(`look whether it is a whole archive: tar --list --file=${text}`);
    expect(existsSync(rootOf(site))).toBe(false);
    site.commit({ "desired/roots/small.yaml": tarballRoot() });
    converged();
    expect(leftovers(site)).toEqual([]);
  });
});

describe("a place that is not allowed", () => {
  it.each([
    ["/etc/rootloom-test-volume", "/etc belongs to the system"],
    ["/usr/local/rootloom-test-volume", "/usr belongs to the system"],
    ["/srv/rootloom-test-volume", "this host's limits do not allow it"],
  ])("%s is refused, and nothing is made there", (path, why) => {
    site = makeSite({
      ...small,
      "desired/volumes/small.yaml": document("Volume", "small", { backend: "directory", path }),
    });
    const ran = site.run("apply");
    expect(ran.exitCode).toBe(1);
    expect(textOf(ran)).toContain(`cannot use ${path}: ${why}`);
    expect(textOf(ran)).toMatch(/hint/);
    expect(existsSync(path)).toBe(false);
    expect(site.run("plan").exitCode).toBe(1);
  });

  it("is refused, too, where a link inside the state directory leads there", () => {
    site = makeSite({
      ...small,
      "desired/volumes/small.yaml": document("Volume", "small", { backend: "directory", path: "elsewhere/small" }),
    });
    const outside = join(site.directory, "outside");
    mkdirSync(outside);
    mkdirSync(site.state);
    execFileSync("ln", ["-s", outside, join(site.state, "elsewhere")]);
    const ran = site.run("apply");
    expect(ran.exitCode).toBe(1);
    expect(textOf(ran)).toContain(`a link in it leads to ${outside}/small, which is not allowed`);
    expect(fingerprint(outside).split("\n").length).toBe(1);
  });
});

describe("a repository that is wrong", () => {
  it("without the folder of the documents at its commit plans nothing", () => {
    site = makeSite(small);
    converged();
    git("rm", "-r", "-q", "desired");
    git("commit", "-q", "-m", "everything gone");
    expect(refused("plan")).toMatch(/cannot load desired at HEAD .*that commit has no such folder hint: /);
    expect(refused("apply")).toMatch(/that commit has no such folder/);
    git("reset", "-q", "--hard", "HEAD~1");
    expect(changesOf(site)).toEqual([]);
  });

  it("with a ref that does not exist says how to list those that do", () => {
    site = makeSite(small);
    converged();
    expect(refused("plan", "--ref", "no-such-branch")).toMatch(
      /cannot load no-such-branch .*there is no such commit hint: .*branch --all/,
    );
    expect(refused("apply", "--ref", "no-such-branch")).toMatch(/there is no such commit/);
  });

  it("in the middle of a rebase applies its commit at HEAD, never the half-merged files", () => {
    site = makeSite(small);
    converged();
    git("checkout", "-q", "-b", "side");
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "side\n" });
    git("checkout", "-q", "main");
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "main\n" });
    converged();
    git("checkout", "-q", "side");
    expect(() => git("rebase", "main")).toThrow();
    expect(readFileSync(join(site.directory, "desired/overlays/hardware/one/etc/one.conf"), "utf8")).toContain("<<<<");
    const plan = site.run("plan");
    expect(plan.exitCode, textOf(plan)).toBe(0);
    expect(textOf(plan)).toContain("uncommitted");
    git("rebase", "--abort");
    expect(changesOf(site)).toEqual(["update artifact/a"]);
  });
});

describe("the daemon", () => {
  function statusSays(...words: readonly string[]): true | undefined {
    const text = textOf(site.run("status"));
    return words.every((word) => text.includes(word)) ? true : undefined;
  }

  it("keeps going over a commit that breaks the documents or empties them, and recovers with the next one", async () => {
    site = makeSite(small);
    const daemon = site.start("daemon");
    await eventually("the first pass", 60_000, () => (site.run("status").exitCode === 0 ? true : undefined));
    const before = keptOf(site);
    const digest = sha256Of(imageOf(site));
    site.commit({ "desired/images/a.yaml": "kind: [\n" });
    await eventually("the problem in status", 20_000, () => statusSays("Stalled", "desired/images/a.yaml:2:1:"));
    expect(site.run("status", "--wait").exitCode).toBe(4);
    renameSync(join(site.directory, "desired"), join(site.directory, "away"));
    git("rm", "-r", "-q", "--cached", "desired");
    git("commit", "-q", "-m", "everything gone");
    await eventually("the missing folder in status", 20_000, () => statusSays("Stalled", "no such folder"));
    expect(keptOf(site)).toBe(before);
    renameSync(join(site.directory, "away"), join(site.directory, "desired"));
    site.commit({
      "desired/images/a.yaml": String(small["desired/images/a.yaml"]),
      "desired/overlays/hardware/one/etc/one.conf": "mended\n",
    });
    await eventually("the repack", 30_000, () => (sha256Of(imageOf(site)) !== digest ? true : undefined));
    await eventually("ready again", 30_000, () => (site.run("status").exitCode === 0 ? true : undefined));
    expect(daemon.exitCode).toBeNull();
  });
});
