import { type ChildProcess, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually, type FileTree, fingerprint, makeSite, type Ran, type Site, sha256Of } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import {
  changesOf,
  document,
  imageOf,
  keptOf,
  leftovers,
  processesOf,
  rootOf,
  small,
  tarballRoot,
} from "./small-site.ts";

const MEBIBYTE = 1 << 20;

let site: Site;
let mounted: string[] = [];
const removable: string[] = [];
beforeEach(() => {
  expect(whyNotMount()).toBeUndefined();
  mounted = [];
});
afterEach(async () => {
  for (const target of mounted.reverse()) execFileSync("umount", [target]);
  await site.remove();
  for (const directory of removable.splice(0)) rmSync(directory, { recursive: true });
});

function mount(target: string, ...arguments_: readonly string[]): void {
  mkdirSync(target, { recursive: true });
  execFileSync("mount", [...arguments_, target]);
  mounted.push(target);
}

/** A small filesystem in a file, whose loop device goes with its mount. */
function mountExt4(target: string, size_mebibytes: number): void {
  const image = join(site.directory, "disk.img");
  writeFileSync(image, "");
  truncateSync(image, size_mebibytes * MEBIBYTE);
  execFileSync("mkfs.ext4", ["-q", "-m", "0", image]);
  mount(target, "-o", "loop", image);
}

function unmount(target: string): void {
  execFileSync("umount", [target]);
  mounted = mounted.filter((other) => other !== target);
}

function converged(): void {
  const ran = site.run("apply");
  expect(ran.exitCode, textOf(ran)).toBe(0);
}

function failed(...command: readonly string[]): string {
  const ran = site.run(...command);
  expect(ran.exitCode, textOf(ran)).toBe(1);
  return textOf(ran);
}

/** Words of the output with line breaks and indentation taken out: tables wrap. */
function textOf(ran: Ran): string {
  return `${ran.stdout} ${ran.stderr}`.replace(/\s+/g, " ");
}

const live: FileTree = { ...small, "desired/roots/small.yaml": tarballRoot({ content: "live" }) };

describe("a root that is not there", () => {
  const onDisk = {
    ...small,
    "desired/volumes/small.yaml": document("Volume", "small", { backend: "directory", path: "disk/small" }),
  };

  it("because its disk is not mounted is not made anew on the disk below, and nothing is packed of it", () => {
    site = makeSite(onDisk);
    const disk = join(site.state, "disk");
    mount(disk, "-t", "tmpfs", "-o", "size=32M", "tmpfs");
    converged();
    const image = { sha256: sha256Of(imageOf(site)), inode: lstatSync(imageOf(site)).ino };
    const away = join(site.directory, "away");
    mount(away, "--bind", disk);
    unmount(disk);
    const text = failed("apply");
    expect(text).toMatch(/volume small.* is on another filesystem than recorded/);
    expect(text).toMatch(/hint mount the filesystem that holds the volume/);
    expect(readdirSync(disk)).toEqual([]);
    expect({ sha256: sha256Of(imageOf(site)), inode: lstatSync(imageOf(site)).ino }).toEqual(image);
    expect(site.run("drift").exitCode).toBe(2);
    mount(disk, "--bind", away);
    expect(changesOf(site)).toEqual([]);
  });

  it("because its volume was moved away is made again from its source, and comes back when it is moved back", () => {
    site = makeSite(small);
    converged();
    const image = sha256Of(imageOf(site));
    const volume = join(site.state, "volumes/small");
    renameSync(volume, `${volume}.away`);
    expect(changesOf(site)).toEqual(expect.arrayContaining(["create volume/small", "create tree/small"]));
    const before = fingerprint(`${volume}.away`);
    expect(site.run("plan").exitCode).toBe(2);
    expect(fingerprint(`${volume}.away`)).toBe(before);
    converged();
    expect(sha256Of(imageOf(site))).toBe(image);
    expect(fingerprint(`${volume}.away`)).toBe(before);
  });

  it("because all its files were removed by hand is never packed: the old image stays current", () => {
    site = makeSite(live);
    converged();
    const image = {
      sha256: sha256Of(imageOf(site)),
      generation: readlinkSync(join(site.state, "artifacts/a/current")),
    };
    for (const name of readdirSync(rootOf(site))) rmSync(rootOf(site, name), { recursive: true });
    const text = failed("apply");
    expect(text).toMatch(/cannot use tree small: the root is empty: .* hint mount or put back what belongs there/);
    expect(readdirSync(rootOf(site))).toEqual([]);
    expect({
      sha256: sha256Of(imageOf(site)),
      generation: readlinkSync(join(site.state, "artifacts/a/current")),
    }).toEqual(image);
    expect(leftovers(site)).toEqual([]);
  });
});

describe("a full disk", () => {
  const filler = (): string => join(site.state, "filler");
  const free_bytes = (): number => {
    const { bavail, bsize } = statfsSync(site.state);
    return bavail * bsize;
  };
  /** Fills the state's disk until only so much is left. */
  function leave(bytes: number): void {
    const size = free_bytes() - bytes;
    execFileSync("fallocate", ["-l", String(size), filler()]);
  }

  it("that would not hold the image is refused with figures: old generations go first, the current one stays", () => {
    site = makeSite(small);
    mount(site.state, "-t", "tmpfs", "-o", "size=64M", "tmpfs");
    converged();
    for (const text of ["two\n", "three\n"]) {
      site.commit({ "desired/overlays/hardware/one/etc/one.conf": text });
      converged();
    }
    const artifact = join(site.state, "artifacts/a");
    const generation = readlinkSync(join(artifact, "current"));
    const image = sha256Of(imageOf(site));
    expect(readdirSync(artifact).filter((name) => /^[0-9a-f]{16}$/.test(name)).length).toBe(3);
    leave(4 * MEBIBYTE);
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "four\n" });
    const text = failed("apply");
    expect(text).toMatch(/cannot pack: .* has \d+\.\d MiB free, about \d+\.\d MiB are needed/);
    expect(text).toMatch(/hint run `rootloom gc`, keep fewer generations, or make room/);
    expect(readdirSync(artifact).filter((name) => /^[0-9a-f]{16}$/.test(name))).toEqual([generation]);
    expect([readlinkSync(join(artifact, "current")), sha256Of(imageOf(site))]).toEqual([generation, image]);
    expect(leftovers(site)).toEqual([]);
    rmSync(filler());
    converged();
    expect(sha256Of(imageOf(site))).not.toBe(image);
    expect(leftovers(site)).toEqual([]);
  });

  it.each(["tmpfs", "ext4"])(
    "that fills while the image is written leaves the old image current and nothing half-written: %s",
    fillsWhileWritten,
  );

  function fillsWhileWritten(filesystem: string): void {
    site = makeSite(live);
    if (filesystem === "tmpfs") mount(site.state, "-t", "tmpfs", "-o", "size=160M", "tmpfs");
    else mountExt4(site.state, 160);
    converged();
    const image = sha256Of(imageOf(site));
    writeFileSync(rootOf(site, "random"), randomBytes(48 * MEBIBYTE));
    leave(47 * MEBIBYTE);
    const text = failed("apply");
    expect(text).toMatch(/cannot pack: the disk ran full while .*initramfs\.cpio\.gz was written/);
    expect(sha256Of(imageOf(site))).toBe(image);
    expect(leftovers(site)).toEqual([]);
    rmSync(filler());
    converged();
    expect(leftovers(site)).toEqual([]);
  }

  it("without a byte left is said to be full, and nothing of the store or the images is lost", () => {
    site = makeSite(small);
    mount(site.state, "-t", "tmpfs", "-o", "size=32M", "tmpfs");
    converged();
    const before = keptOf(site);
    leave(0);
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "two\n" });
    expect(failed("apply")).toMatch(/cannot .*(full|no space left)/);
    expect(keptOf(site)).toBe(before);
    rmSync(filler());
    converged();
    expect(site.run("history").stdout.split("\n").length).toBeGreaterThan(2);
  });

  it("that would not hold a root is refused with figures, and nothing is extracted", () => {
    site = makeSite(small);
    mount(site.state, "-t", "tmpfs", "-o", "size=1500k", "tmpfs");
    const text = failed("apply");
    expect(text).toMatch(/cannot unpack busybox-bookworm\.tar: .* has 1\.\d MiB free, about 3\.\d MiB are needed/);
    expect(existsSync(rootOf(site))).toBe(false);
    execFileSync("mount", ["-o", "remount,size=64M", site.state]);
    converged();
    expect(leftovers(site)).toEqual([]);
  });

  it("that would not hold what is to be restored is refused with figures, and the root is left as it is", () => {
    site = makeSite(small);
    mount(site.state, "-t", "tmpfs", "-o", "size=64M", "tmpfs");
    converged();
    const busybox = rootOf(site, "bin/busybox");
    writeFileSync(busybox, "edited");
    leave(2 * MEBIBYTE);
    const text = failed("apply");
    expect(text).toMatch(/cannot restore tree small: .* has \d\.\d MiB free, about \d\.\d MiB are needed/);
    expect(readFileSync(busybox, "utf8")).toBe("edited");
    expect(leftovers(site)).toEqual([]);
    rmSync(filler());
    converged();
    expect(statSync(busybox).size).toBeGreaterThan(MEBIBYTE);
    expect(leftovers(site)).toEqual([]);
  });
});

describe("a state directory", () => {
  it("that is read-only can be planned from, and an apply says why it cannot go on", () => {
    site = makeSite(small);
    converged();
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "two\n" });
    mount(site.state, "--bind", site.state);
    execFileSync("mount", ["-o", "remount,bind,ro", site.state]);
    const written = fingerprint(site.state);
    expect(site.run("plan").exitCode).toBe(2);
    const text = failed("apply");
    expect(text).toMatch(/cannot .*read-only.* hint: /);
    expect(fingerprint(site.state)).toBe(written);
  });

  const damages: Readonly<Record<string, (path: string) => void>> = {
    "text in it": (path) => writeFileSync(path, "this is no database\n".repeat(500)),
    "nothing in it": (path) => truncateSync(path, 0),
    "half of it": (path) => truncateSync(path, Math.floor(lstatSync(path).size / 2 / 4096) * 4096),
    "a byte less": (path) => truncateSync(path, lstatSync(path).size - 1),
    "all but its first bytes cut off": (path) => truncateSync(path, 60),
    "random bytes all over": (path) => writeFileSync(path, randomBytes(lstatSync(path).size)),
    "random bytes in its pages": (path) => {
      const file = openSync(path, "r+");
      for (let page = 1; page * 4096 < lstatSync(path).size; page++)
        writeSync(file, randomBytes(2000), 0, 2000, page * 4096);
    },
  };
  it.each(Object.keys(damages))("whose store has %s says so, keeps it aside and finds everything again", (damage) => {
    site = makeSite(small);
    converged();
    const contents = () => [rootOf(site), join(site.state, "artifacts")].map(fingerprint);
    const before = contents();
    const store = join(site.state, "rootloom.db");
    damages[damage]?.(store);
    const damaged = sha256Of(store);
    const plan = site.run("plan");
    expect(textOf(plan)).toMatch(damage === "nothing in it" ? /its record was lost/ : /no intact database.* hint: /);
    expect(sha256Of(store)).toBe(damaged);
    const ran = site.run("apply");
    expect(ran.exitCode, textOf(ran)).toBe(0);
    expect(textOf(ran)).toMatch(/the store was (damaged and is kept as|empty)/);
    const aside = readdirSync(site.state).filter((name) => /^rootloom\.db\.corrupt-.*Z$/.test(name));
    expect(aside.map((name) => sha256Of(join(site.state, name)))).toEqual(damage === "nothing in it" ? [] : [damaged]);
    expect(contents()).toEqual(before);
    expect(changesOf(site)).toEqual([]);
  });
});

describe("another apply", () => {
  it("is refused with exit code 5, and names the pid and the step of the one that runs", async () => {
    const { running, go } = await holdAtTar();
    const before = keptOf(site);
    const second = site.run("apply");
    expect(second.exitCode, textOf(second)).toBe(5);
    expect(textOf(second)).toMatch(
      new RegExp(`is held by pid ${running.pid} \\(.*\\), at tree/small: tree.create since`),
    );
    expect(keptOf(site)).toBe(before);
    expect(site.run("plan").exitCode).toBe(2);
    const ended = new Promise((resolve) => running.once("exit", resolve));
    go();
    expect(await ended).toBe(0);
    expect(changesOf(site)).toEqual([]);
  });

  it("may begin as soon as a killed one is gone with the command it ran", async () => {
    const { running } = await holdAtTar();
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGKILL");
    await ended;
    await eventually("the end of its children", 5_000, () => (processesOf(site).length === 0 ? true : undefined));
    converged();
    expect(leftovers(site)).toEqual([]);
    expect(changesOf(site)).toEqual([]);
  });

  /** Starts an apply whose `tar` waits until it is told to go on. */
  async function holdAtTar(): Promise<{ readonly running: ChildProcess; readonly go: () => void }> {
    const { PATH } = process.env;
    const tools = mkdtempSync(join(tmpdir(), "rootloom-tools-"));
    process.env.PATH = `${tools}:${PATH}`;
    site = makeSite(small);
    process.env.PATH = PATH;
    removable.push(tools);
    const [started, gate, open] = ["started", "gate", "open"].map((name) => join(tools, name)) as [
      string,
      string,
      string,
    ];
    execFileSync("mkfifo", [gate]);
    writeFileSync(
      join(tools, "tar"),
      `#!/bin/sh\n: >${started}\n[ -e ${open} ] || read -r line <${gate}\nexec /usr/bin/tar "$@"\n`,
    );
    chmodSync(join(tools, "tar"), 0o755);
    const running = site.start("apply");
    await eventually("tar", 30_000, () => (existsSync(started) ? true : undefined));
    // Later ones do not wait.
    writeFileSync(open, "");
    return { running, go: () => writeFileSync(gate, "go\n") };
  }
});

describe("a plan file", () => {
  it("is applied as long as commit and host stand still", () => {
    site = makeSite(small);
    const file = join(site.directory, "today.plan");
    expect(site.run("plan", "--out", file).exitCode).toBe(2);
    const ran = site.run("apply", file);
    expect(ran.exitCode, textOf(ran)).toBe(0);
  });

  it("is refused when the commit moved, when the host moved, and when it is no plan file", () => {
    site = makeSite(small);
    converged();
    const file = join(site.directory, "today.plan");
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "two\n" });
    expect(site.run("plan", "--out", file).exitCode).toBe(2);
    writeFileSync(rootOf(site, "opt/tool.conf"), "edited\n");
    const before = keptOf(site);
    expect(failed("apply", file)).toMatch(
      /cannot apply the plan file: the commit or the host has changed .* hint: make a new one/,
    );
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "three\n" });
    expect(failed("apply", file)).toContain("the commit or the host has changed");
    writeFileSync(file, "{}");
    expect(failed("apply", file)).toMatch(/it is no plan file hint: make one/);
    expect(failed("apply", join(site.directory, "nowhere.plan"))).toContain("there is no such file");
    expect(keptOf(site)).toBe(before);
  });
});
