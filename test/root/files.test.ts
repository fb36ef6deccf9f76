import { execFileSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFiles } from "../../src/host/real/files.ts";
import { whyNotMount } from "./private-namespace.ts";

const reason = whyNotMount();
if (reason !== undefined) console.warn(`test/root/files is skipped: ${reason}`);

const files = createFiles({ mountNamespace: "/proc/self/ns/mnt" });
const run = (file: string, ...values: string[]) => execFileSync(file, values, { encoding: "utf8" });
const lookAt = (path: string) => JSON.stringify(files.look(path, [{}]));
const ours = { owner: 0, group: 0, mode: 0o644 };

let directory: string;
let top: string;
let outside: string;
let mounted: string[];
const mount = (target: string, ...values: string[]): void => {
  run("mount", ...values, target);
  mounted.push(target);
};

describe.skipIf(reason !== undefined)("files where mounts are", () => {
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "rootloom-files-"));
    mounted = [];
    top = join(directory, "tree");
    outside = join(directory, "outside");
    mkdirSync(join(top, "a/b"), { recursive: true });
    writeFileSync(join(top, "a/file"), "file");
    mkdirSync(outside);
    writeFileSync(join(outside, "kept"), "kept");
  });
  afterEach(() => {
    for (const target of mounted.reverse()) run("umount", target);
    rmSync(directory, { recursive: true });
  });

  const removeTop = () => files.removeTree(top, lstatSync(top).ino);

  it.each([
    ["a directory bound inside", () => mount(join(top, "a/b"), "--bind", outside), "a/b"],
    ["a file bound inside", () => mount(join(top, "a/file"), "--bind", join(outside, "kept")), "a/file"],
    ["a part of itself bound inside", () => mount(join(top, "a/b"), "--bind", join(top, "a")), "a/b"],
    ["another filesystem inside", () => mount(join(top, "a/b"), "-t", "tmpfs", "none"), "a/b"],
  ])("a tree with %s is not removed, and nothing of it is lost", (_, arrange, at) => {
    arrange();
    expect(removeTop).toThrow(
      expect.objectContaining({
        message: `cannot remove ${top}: something is mounted at ${join(top, at)}`,
        hint: expect.stringContaining("unmount"),
      }),
    );
    expect([readdirSync(top), readdirSync(join(top, "a"))]).toEqual([["a"], ["b", "file"]]);
    expect(readFileSync(join(outside, "kept"), "utf8")).toBe("kept");
  });

  it("a tree that is a mount point is not removed", () => {
    mount(top, "-t", "tmpfs", "none");
    writeFileSync(join(top, "file"), "");
    expect(removeTop).toThrow(`something is mounted at ${top}`);
    expect(readdirSync(top)).toEqual(["file"]);
  });

  it("a tree is removed that merely is on another mount itself, and is reached through a link", () => {
    const other = join(directory, "other");
    mkdirSync(other);
    mount(other, "-t", "tmpfs", "none");
    mkdirSync(join(other, "tree/a"), { recursive: true });
    symlinkSync(other, join(directory, "way"));
    files.removeTree(join(directory, "way/tree"), lstatSync(join(other, "tree")).ino);
    expect(readdirSync(other)).toEqual([]);
  });

  it("nothing is read or written through a mount in a tree", () => {
    mount(join(top, "a/b"), "--bind", outside);
    mount(join(top, "a/file"), "--bind", join(outside, "kept"));
    const tree = files.openTree(top);
    const attempts = [
      () => tree.read("a/b/kept"),
      () => tree.read("a/file"),
      () => tree.list("a/b"),
      () => tree.writeFile("a/b/new", { bytes: Buffer.from("x") }, ours),
      () => tree.setAttributes("a/b", ours),
      () => tree.setAttributes("a/file", ours),
      () => tree.writeFile("a/file", { bytes: Buffer.from("x") }, ours),
      () => tree.removeFile("a/file"),
      () => tree.removeFile("a/b/kept"),
      () => tree.removeDirectory("a/b"),
    ];
    for (const attempt of attempts) expect(attempt).toThrow(/another mount|a mount point/);
    tree.close();
    expect([readdirSync(outside), readFileSync(join(outside, "kept"), "utf8")]).toEqual([["kept"], "kept"]);
    expect(readdirSync(join(top, "a"))).toEqual(["b", "file"]);
  });

  it("a walk reports a mount point and does not enter it", () => {
    mount(join(top, "a/b"), "--bind", outside);
    const entries = [...files.scan(top)].map(({ path, mountPoint }) => [path, mountPoint]);
    expect(entries).toEqual([
      ["a", false],
      ["a/b", true],
      ["a/file", false],
    ]);
  });

  it("a mount point has the attributes of what it covers, whatever is mounted there", () => {
    chmodSync(join(top, "a/b"), 0o751);
    const [before] = [...files.scan(top)].filter(({ path }) => path === "a/b");
    mount(join(top, "a"), "--bind", join(top, "a"));
    mount(join(top, "a/b"), "-t", "tmpfs", "-o", "mode=1777", "none");
    mount(join(top, "a/file"), "--bind", join(outside, "kept"));
    const [found] = [...files.scan(join(top, "a"))];
    expect({ ...found, mountId: 0 }).toEqual({ ...before, mountId: 0, path: "b", mountPoint: true });
    expect([...files.scan(top)]).toMatchObject([{ path: "a", mode: 0o755, mountPoint: true }]);
  });

  it("a look sees a mount come and go, and nothing below it", () => {
    const before = lookAt(top);
    mount(join(top, "a/b"), "--bind", outside);
    const covered = lookAt(top);
    expect(covered).not.toBe(before);
    // What is mounted is no part of the tree, what it covers is.
    mkdirSync(join(outside, "inner"));
    expect(lookAt(top)).toBe(covered);
    run("umount", mounted.pop() ?? "");
    expect(lookAt(top)).toBe(before);
  });

  it("a look takes a bind mount of a directory on itself for a mount", () => {
    const before = lookAt(top);
    mount(join(top, "a/b"), "--bind", join(top, "a/b"));
    expect(lookAt(top)).not.toBe(before);
  });

  it("a walk names extended attributes, and only when asked", () => {
    run("python3", "-c", "import os, sys; os.setxattr(sys.argv[1], 'user.note', b'x')", join(top, "a/file"));
    const names = (attributes: boolean) =>
      [...files.scan(top, { attributes })].find(({ path }) => path === "a/file")?.extendedAttributes;
    expect(names(true)).toEqual(["user.note"]);
    expect(names(false)).toEqual([]);
  });

  it("a copy on a filesystem that shares blocks is a reflink, elsewhere a copy", () => {
    const image = join(directory, "image");
    writeFileSync(image, "");
    truncateSync(image, 128 * 1024 * 1024);
    run("mkfs.btrfs", "-q", image);
    const volume = join(directory, "volume");
    mkdirSync(volume);
    mount(volume, "-o", "loop", image);
    writeFileSync(join(volume, "from"), "x".repeat(100_000), { mode: 0o640 });
    expect(files.copyFile(join(volume, "from"), join(volume, "to"))).toBe("reflink");
    expect(files.copyFile(join(volume, "from"), join(directory, "to"))).toBe("copy");
    expect(readFileSync(join(volume, "to"))).toEqual(readFileSync(join(directory, "to")));
    expect(files.stat(join(volume, "to"))?.mode).toBe(0o640);
  });

  it("a full filesystem gives an error that may pass, and no half file", () => {
    const small = join(directory, "small");
    mkdirSync(small);
    mount(small, "-t", "tmpfs", "-o", "size=64k", "none");
    files.writeFile(join(small, "file"), "old", ours);
    expect(() => files.writeFile(join(small, "file"), "x".repeat(200_000), ours)).toThrow(
      expect.objectContaining({ retry: "transient", message: expect.stringContaining("no space left") }),
    );
    expect([readdirSync(small), files.readText(join(small, "file"))]).toEqual([["file"], "old"]);
  });

  it("a read-only filesystem is named as the reason", () => {
    mount(join(top, "a/b"), "-t", "tmpfs", "-o", "ro", "none");
    expect(() => files.writeFile(join(top, "a/b/file"), "", ours)).toThrow("the filesystem is mounted read-only");
  });
});
