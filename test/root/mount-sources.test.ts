import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSite, type Site, sha256Of } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { document, imageOf, type PlanJson, rootOf, small, tarball } from "./small-site.ts";

/** A variable of documents. */
const NAME = ["$", "{target.name}"].join("");
const packages = "/var/db/repos/gentoo";
const shared = [
  { target: "/var/cache/distfiles", type: "bind", volume: "shared", subdirectory: "distfiles", namespace: "host" },
  {
    ...{ target: "/var/cache/binpkgs", type: "bind", volume: "shared", namespace: "host" },
    ...{ subdirectory: `binpkgs/gcc-13/${NAME}`, owner: "250:250", mode: "2775" },
  },
];
const rooted = (name: string, mounts: readonly object[], extra: object = {}): string =>
  document("Root", name, {
    ...{ volume: name, source: { tarball: { path: tarball, sha256: sha256Of(tarball) } }, mounts },
    ...extra,
  });
const directory = (name: string): string => document("Volume", name, { backend: "directory" });

/** Lines of mountinfo below a directory: where, type, what it is mounted from and with which flags. */
function standing(
  site: Site,
): readonly { target: string; type: string; source: string; root: string; flags: string }[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .flatMap((fields) => {
      const [, , , root = "", target = "", flags = ""] = fields;
      const [type = "", source = ""] = fields.slice(fields.indexOf("-") + 1);
      return target.startsWith(`${site.directory}/`) ? [{ target, type, source, root, flags }] : [];
    });
}

function loopsOf(site: Site): readonly string[] {
  return readdirSync("/sys/block").flatMap((name) => {
    const path = `/sys/block/${name}/loop/backing_file`;
    const file = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
    return file.startsWith(site.directory) ? [file] : [];
  });
}

describe.skipIf(whyNotMount() !== undefined)("what is mounted into roots", () => {
  let site: Site;
  let processes: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of processes) child.kill("SIGKILL");
    processes = [];
    site.run("unmount", "--all");
    await site.remove();
  });

  function converge(): string {
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    return ran.stdout;
  }
  function changes(): readonly string[] {
    const { steps } = site.json<PlanJson>("plan");
    return steps
      .filter(({ action }) => action !== "keep")
      .map(({ id, action, reason }) => `${action} ${id}: ${reason}`);
  }
  const at = (target: string) => standing(site).filter((each) => each.target === target);
  async function occupy(cwd: string): Promise<ChildProcess> {
    const child = spawn("sh", ["-c", "echo there; exec sleep 600"], { cwd, stdio: ["ignore", "pipe", "ignore"] });
    processes.push(child);
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    return child;
  }
  async function leave(child: ChildProcess): Promise<void> {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  describe("folders of a volume that many roots share", () => {
    const volume = (path = ""): string => join(site.state, "volumes/shared", path);
    const rootOfName = (name: string, path: string): string => join(site.state, "volumes", name, "root", path);
    beforeEach(() => {
      const target = (name: string) => document("ArchTarget", name, { cpu: name, kernelArch: "x86" });
      const matrix = { matrix: { targets: ["i686", "x86_64"] } };
      const name = `r-${NAME}`;
      site = makeSite({
        "desired/host.yaml": document("Host", "host", {}),
        "desired/targets/a.yaml": target("i686"),
        "desired/targets/b.yaml": target("x86_64"),
        "desired/volumes/shared.yaml": directory("shared"),
        "desired/volumes/v.yaml": document("Volume", name, { backend: "directory", ...matrix }),
        "desired/roots/r.yaml": rooted(name, shared, matrix),
      });
      converge();
    });

    it("are made on demand with owner and mode, one for all roots or one for each target, and bound into each", () => {
      expect(statSync(volume("distfiles"))).toMatchObject({ uid: 0, gid: 0, mode: 0o040755 });
      for (const arch of ["i686", "x86_64"]) {
        expect(statSync(volume(`binpkgs/gcc-13/${arch}`))).toMatchObject({ uid: 250, gid: 250, mode: 0o042775 });
        writeFileSync(rootOfName(`r-${arch}`, `var/cache/binpkgs/of-${arch}`), "");
        writeFileSync(rootOfName(`r-${arch}`, `var/cache/distfiles/by-${arch}`), "");
        expect(readdirSync(volume(`binpkgs/gcc-13/${arch}`))).toEqual([`of-${arch}`]);
      }
      expect(readdirSync(rootOfName("r-i686", "var/cache/distfiles"))).toEqual(["by-i686", "by-x86_64"]);
      expect(standing(site).length).toBe(4);
      expect(changes()).toEqual([]);
    });

    it("get owner and mode back, and come back themselves with their mounts", () => {
      chmodSync(volume("binpkgs/gcc-13/i686"), 0o700);
      execFileSync("rmdir", [volume("distfiles")]);
      const found = changes();
      expect(found[0]).toContain("has mode 0700, 2775 is declared");
      expect(found.filter((line) => line.includes(":/var/cache/distfiles")).length).toBe(2);
      converge();
      expect(statSync(volume("binpkgs/gcc-13/i686")).mode).toBe(0o042775);
      writeFileSync(rootOfName("r-i686", "var/cache/distfiles/new"), "");
      expect(readdirSync(volume("distfiles"))).toEqual(["new"]);
      expect(standing(site).length).toBe(4);
      expect(changes()).toEqual([]);
    });

    it("are refused where a link leads out of the volume", () => {
      execFileSync("umount", [rootOfName("r-i686", "var/cache/distfiles")]);
      execFileSync("umount", [rootOfName("r-x86_64", "var/cache/distfiles")]);
      execFileSync("rmdir", [volume("distfiles")]);
      execFileSync("ln", ["-s", join(site.state, "artifacts"), volume("distfiles")]);
      execFileSync("mkdir", ["-p", join(site.state, "artifacts")]);
      const ran = site.run("apply");
      expect(ran.exitCode).toBe(1);
      expect(ran.stdout).toContain("leads out of its volume");
      expect(standing(site).length).toBe(2);
    });
  });

  describe("an image", () => {
    const tree = (path = ""): string => join(site.state, "volumes/packages", path);
    const target = (): string => rootOf(site, packages.slice(1));
    const generation = (): string => readlinkSync(join(site.state, "artifacts/packages/current"));
    const mount = (more: object = {}) => ({ target: packages, type: "squashfs", image: "packages", ...more });
    function begin(mounts: readonly object[]): void {
      site = makeSite({
        ...small,
        "desired/volumes/packages.yaml": directory("packages"),
        "desired/roots/packages.yaml": document("Root", "packages", { volume: "packages", source: { existing: {} } }),
        "desired/images/packages.yaml": document("Image", "packages", {
          ...{ root: "packages", format: "squashfs", common: false, exclude: [], retention: { generations: 1 } },
        }),
        "desired/roots/small.yaml": rooted("small", mounts),
      });
      execFileSync("mkdir", ["-p", tree("profiles")]);
      writeFileSync(tree("profiles/repo_name"), "gentoo\n");
      for (const adopted of ["volume/packages", "tree/packages"]) site.run("adopt", adopted, "--why", "a test");
      converge();
    }

    it("of a package tree is mounted once, so that nothing in it is written or run, and kept", () => {
      begin([mount({ namespace: "host" })]);
      expect(readFileSync(join(target(), "profiles/repo_name"), "utf8")).toBe("gentoo\n");
      const [entry, ...others] = at(target());
      expect(others).toEqual([]);
      expect(entry).toMatchObject({ type: "squashfs", root: "/" });
      for (const flag of ["ro", "nodev", "noexec", "nosuid"]) expect(entry?.flags.split(",")).toContain(flag);
      expect(loopsOf(site)).toEqual([join(site.state, "artifacts/packages", generation(), "root.squashfs")]);
      expect(changes()).toEqual([]);
      // A shell finds it there: it is not mounted on itself.
      const list = site.run("enter", "small", "--", "/bin/busybox", "ls", `${packages}/profiles`);
      expect([list.stderr, list.stdout]).toEqual(["", "repo_name\n"]);
    });

    it("gives way to a new one, and takes its loop device and its old generation with it", () => {
      begin([mount({ namespace: "host" })]);
      const before = generation();
      writeFileSync(tree("profiles/new"), "x");
      converge();
      expect(generation()).not.toBe(before);
      expect(readFileSync(join(target(), "profiles/new"), "utf8")).toBe("x");
      expect(at(target()).length).toBe(1);
      expect(loopsOf(site)).toEqual([join(site.state, "artifacts/packages", generation(), "root.squashfs")]);
      expect(changes()).toEqual([]);
      site.run("gc");
      expect(existsSync(join(site.state, "artifacts/packages", before))).toBe(false);
    });

    it("stays while somebody is in it, its generation too; who that is, is said", async () => {
      begin([mount({ namespace: "host" })]);
      const before = generation();
      const child = await occupy(join(target(), "profiles"));
      writeFileSync(tree("profiles/new"), "x");
      const busy = site.run("apply");
      expect(busy.exitCode).toBe(1);
      expect(busy.stdout).toMatch(new RegExp(`cannot unmount .*/gentoo: it is in use by ${child.pid} \\(`));
      expect(generation()).not.toBe(before);
      site.run("gc");
      expect(existsSync(join(site.state, "artifacts/packages", before, "root.squashfs"))).toBe(true);
      expect(readdirSync(join(target(), "profiles"))).toEqual(["repo_name"]);
      await leave(child);
      converge();
      expect(readdirSync(join(target(), "profiles"))).toEqual(["new", "repo_name"]);
      site.run("gc");
      expect(existsSync(join(site.state, "artifacts/packages", before))).toBe(false);
    });

    it("that somebody mounted another file over, or in the place of, is told apart from drift", () => {
      begin([mount({ namespace: "host" })]);
      const other = join(site.directory, "other.squashfs");
      execFileSync("mksquashfs", [tree("profiles"), other, "-quiet", "-no-progress"]);
      execFileSync("umount", [target()]);
      expect(changes()).toEqual([
        expect.stringContaining("create mount/small:/var/db/repos/gentoo: it is not mounted"),
      ]);
      execFileSync("mount", ["-o", "loop,ro", other, target()]);
      const foreign = site.run("apply");
      expect(foreign.stdout).toContain("another mount is there");
      execFileSync("mount", ["-t", "tmpfs", "theirs", target()]);
      expect(site.run("apply").stdout).toContain("2 mounts are stacked there");
      expect(at(target()).length).toBe(2);
      execFileSync("umount", [target()]);
      execFileSync("umount", [target()]);
      converge();
      execFileSync("mount", ["-o", "remount,exec", target()]);
      expect(changes()).toEqual([expect.stringContaining("noexec is declared and not in force")]);
      converge();
      expect(changes()).toEqual([]);
    });

    it("leaves neither a mount nor a loop device behind `unmount --all`, nor behind its declaration", () => {
      begin([mount({ namespace: "host" })]);
      const ran = site.run("unmount", "--all", "--why", "a test");
      expect(ran.exitCode, ran.stderr).toBe(0);
      expect([standing(site), loopsOf(site)]).toEqual([[], []]);
      site.run("resume", `mount/small:${packages}`);
      converge();
      expect(loopsOf(site).length).toBe(1);
      site.commit({ "desired/roots/small.yaml": rooted("small", []) });
      converge();
      expect([standing(site), loopsOf(site)]).toEqual([[], []]);
    });

    it("is in a shell's own namespace too, and its generation stays as long as the shell", async () => {
      begin([mount()]);
      expect(standing(site)).toEqual([]);
      const list = site.run("enter", "small", "--", "/bin/busybox", "ls", `${packages}/profiles`);
      expect([list.stdout, list.exitCode]).toEqual(["repo_name\n", 0]);
      const before = generation();
      const shell = site.start("enter", "small", "--", "/bin/busybox", "sh", "-c", "echo in; exec busybox sleep 600");
      await new Promise((resolve) => shell.stdout?.once("data", resolve));
      writeFileSync(tree("profiles/new"), "x");
      site.run("apply");
      expect(generation()).not.toBe(before);
      site.run("gc");
      expect(existsSync(join(site.state, "artifacts/packages", before))).toBe(true);
      await leave(shell);
      await expect.poll(() => loopsOf(site), { timeout: 10_000 }).toEqual([]);
      site.run("gc");
      expect(existsSync(join(site.state, "artifacts/packages", before))).toBe(false);
    });

    it("is bound by its directory, which is always that of the newest generation", () => {
      const source = { target: "/usr/src/linux", type: "bind", volume: "packages", namespace: "host" };
      begin([{ target: "/init.d", type: "bind", image: "packages", options: ["ro"], namespace: "host" }, source]);
      const image = rootOf(site, "init.d/root.squashfs");
      const before = sha256Of(image);
      expect(readdirSync(rootOf(site, "usr/src/linux"))).toContain("profiles");
      writeFileSync(tree("profiles/new"), "x");
      converge();
      expect(sha256Of(image)).not.toBe(before);
      expect(sha256Of(image)).toBe(sha256Of(join(site.state, "artifacts/packages/current/root.squashfs")));
      expect(changes()).toEqual([]);
    });
  });

  it("a mount point's own attributes stay the image's, whether something is mounted there or not", () => {
    const tmpfs = { target: "/scratch", type: "tmpfs", options: ["size=1M", "mode=1777"], namespace: "host" };
    site = makeSite({ ...small, "desired/roots/small.yaml": rooted("small", [tmpfs]) });
    converge();
    const digest = sha256Of(imageOf(site));
    expect(changes()).toEqual([]);
    site.run("unmount", "--all");
    expect(statSync(rootOf(site, "scratch")).mode).toBe(0o040755);
    const { steps } = site.json<PlanJson>("plan");
    expect(steps.filter(({ id, action }) => id === "artifact/a" && action !== "keep")).toEqual([]);
    site.run("resume", "mount/small:/scratch");
    expect(sha256Of(imageOf(site))).toBe(digest);
  });
});
