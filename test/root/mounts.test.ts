import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFiles } from "../../src/host/real/files.ts";
import { whyNotMount } from "./private-namespace.ts";

const reason = whyNotMount();
if (reason !== undefined) console.warn(`test/root/mounts is skipped: ${reason}`);

const files = createFiles({ mountNamespace: "/proc/self/ns/mnt" });
const run = (file: string, ...values: string[]) => execFileSync(file, values, { encoding: "utf8" });

let directory: string;
let mounted: string[];
const mount = (target: string, ...values: string[]): void => {
  run("mount", ...values, target);
  mounted.push(target);
};
const unmount = (target: string): void => {
  run("umount", target);
  mounted = mounted.filter((other) => other !== target);
};

describe.skipIf(reason !== undefined)("mounts", () => {
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "rootloom-mounts-"));
    mounted = [];
  });
  afterEach(() => {
    for (const target of mounted.reverse()) run("umount", target);
    rmSync(directory, { recursive: true });
  });

  const targetsBelow = (): readonly string[] =>
    files
      .mounts()
      .map(({ target }) => target)
      .filter((target) => target.startsWith(directory));

  it("are listed with targets that hold blanks, in the order in which they were made", () => {
    const [first, second] = [join(directory, "with blank\tand\\"), join(directory, "b")];
    for (const target of [first, second]) {
      mkdirSync(target);
      mount(target, "-t", "tmpfs", "none");
    }
    mount(second, "-t", "tmpfs", "-o", "ro", "upper");
    expect(targetsBelow()).toEqual([first, second, second]);
    const last = files.mounts().at(-1);
    expect(last).toMatchObject({ source: "upper", type: "tmpfs", propagation: [] });
    expect(last?.options).toContain("ro");
  });

  it("of another namespace are listed by the file of its process, and by a link to it that names no process", async () => {
    const inside = join(directory, "inside");
    mkdirSync(inside);
    const script = `mount -t tmpfs theirs "${inside}" && echo ready && exec sleep 60`;
    const other = spawn("unshare", ["--mount", "--propagation", "private", "--", "sh", "-c", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(other.stdout, "data");
    const ended = once(other, "exit");
    const namespace = join(directory, "namespace");
    symlinkSync(`/proc/${other.pid}/ns/mnt`, namespace);
    try {
      expect(targetsBelow()).toEqual([]);
      for (const mountNamespace of [`/proc/${other.pid}/ns/mnt`, namespace]) {
        const theirs = createFiles({ mountNamespace }).mounts();
        expect(theirs.find(({ target }) => target === inside)).toMatchObject({ source: "theirs" });
      }
    } finally {
      other.kill("SIGKILL");
      await ended;
    }
  });

  it("of what is no namespace are refused with a hint", () => {
    const mountNamespace = join(directory, "missing");
    expect(() => createFiles({ mountNamespace }).mounts()).toThrow(
      expect.objectContaining({
        message: `cannot look into the mount namespace ${mountNamespace}: ENOENT`,
        hint: expect.stringContaining("--mount-namespace"),
      }),
    );
  });

  it.each([
    ["ext4", ["-q", "-F"]],
    ["xfs", ["-q"]],
    ["btrfs", ["-q"]],
  ])("of %s are named by the filesystem's uuid, the same after another mount elsewhere", (type, options) => {
    const image = join(directory, "image");
    writeFileSync(image, "");
    truncateSync(image, 320 * 1024 * 1024);
    run(`mkfs.${type}`, ...options, image);
    const names = ["one", "two"].map((name) => {
      const target = join(directory, name);
      mkdirSync(target);
      mount(target, "-o", "loop", image);
      const identity = files.filesystemIdentity(target);
      unmount(target);
      return identity;
    });
    expect(names[0]).toMatch(type === "btrfs" ? /^uuid:[0-9a-f]{32}:5$/ : /^uuid:[0-9a-f]{32}$/);
    expect(names[1]).toBe(names[0]);
  });

  it("of a btrfs subvolume are named apart from the volume's own", () => {
    const image = join(directory, "image");
    writeFileSync(image, "");
    truncateSync(image, 128 * 1024 * 1024);
    run("mkfs.btrfs", "-q", image);
    const target = join(directory, "volume");
    mkdirSync(target);
    mount(target, "-o", "loop", image);
    run("btrfs", "-q", "subvolume", "create", join(target, "sub"));
    expect(files.filesystemIdentity(join(target, "sub"))).not.toBe(files.filesystemIdentity(target));
    expect(files.filesystemIdentity(join(target, "sub")).slice(0, 37)).toBe(
      files.filesystemIdentity(target).slice(0, 37),
    );
  });

  it("without a uuid are named by their device", () => {
    expect(files.filesystemIdentity("/proc")).toMatch(/^device:\d+:\d+$/);
  });
});
