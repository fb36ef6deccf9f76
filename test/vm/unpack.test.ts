import { execFileSync } from "node:child_process";
import { cpSync, linkSync, lutimesSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createFiles } from "../../src/host/real/files.ts";
import { readManifest } from "../../src/pack/manifest.ts";
import type { ManifestEntry } from "../../src/pack/types.ts";
import { fixtures, makeSite, type Site, sha256Of } from "../kit.ts";
import { document } from "../root/small-site.ts";
import { boot } from "./guest.ts";

/** One node as the guest saw it. Names are bytes, one a character. */
interface Seen {
  readonly path: string;
  readonly type: number;
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  readonly size: number;
  readonly modified_s: number;
  readonly major: number;
  readonly minor: number;
  readonly inode: string;
}

const TYPES: Readonly<Record<ManifestEntry["type"], number>> = {
  fifo: 1,
  character: 2,
  directory: 4,
  block: 6,
  file: 8,
  symlink: 10,
  socket: 12,
};

/** Prints every node twice, once by name (in hex, for names can hold anything) and once by its attributes. */
const init = `#!/bin/busybox sh
bb=/bin/busybox
cd /
echo; echo NAMES-BEGIN
$bb find . -xdev -print0 | $bb hexdump -v -e '1/1 "%02x"'
echo; echo ATTRIBUTES-BEGIN
$bb find . -xdev -print0 | $bb xargs -0 $bb stat -c '%f %u %g %s %Y %t %T %i'
echo DIGESTS-BEGIN
$bb find . -xdev -type f -print0 | $bb xargs -0 $bb sha256sum | $bb grep -o '^[0-9a-f]\\{64\\}'
echo LINKS-BEGIN
$bb find . -xdev -type l -print0 | $bb xargs -0 -n 1 $bb readlink
echo UNPACKED-END
$bb poweroff -f
`;

describe("the kernel's own unpacking", () => {
  let site: Site;
  let work: string;
  let expected: readonly ManifestEntry[];
  let output: string;

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), "rootloom-unpack-"));
    const tarball = oddTarball(work);
    site = makeSite({
      "desired/volumes/odd.yaml": document("Volume", "odd", { backend: "directory" }),
      "desired/roots/odd.yaml": document("Root", "odd", {
        volume: "odd",
        source: { tarball: { path: tarball, sha256: sha256Of(tarball) } },
      }),
      "desired/images/odd.yaml": document("Image", "odd", { root: "odd", exclude: [] }),
      "desired/overlays/common/init": { text: init, executable: true },
      "desired/overlays/common/bin/by-link": "laid through the symlink bin -> usr/bin\n",
      "desired/overlays/common/etc/odd/file one": "an overlay's\n",
      "desired/overlays/common/overlay.yaml": document("Overlay", "common", {
        rules: [{ path: "etc/odd/*", owner: "12:34", mode: "0640" }],
        nodes: [{ path: "dev/ttyX", type: "character", major: 4, minor: 65, mode: "0620" }],
        directories: [{ path: "var/empty", mode: "1777" }],
      }),
    });
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    const current = join(site.state, "artifacts/odd/current");
    expected = [...readManifest(createFiles({ mountNamespace: "/proc/self/ns/mnt" }), join(current, "manifest"))];
    const booted = await boot({ kernel: join(fixtures, "vmlinuz"), initrd: join(current, "initramfs.cpio.gz") });
    expect(booted.output).toContain("UNPACKED-END");
    output = booted.output.replaceAll("\r", "");
  });

  afterAll(async () => {
    await site.remove();
    rmSync(work, { recursive: true });
  });

  it("agrees with the manifest on every path, type, mode, owner, size, time and device", () => {
    const seen = new Map(seenIn(output).map((node) => [node.path, node]));
    // The kernel puts /root and /dev/console there before it unpacks anything of ours.
    const extra = [...seen.keys()].filter((path) => !expected.some((entry) => entry.path === path));
    expect(extra).toEqual(["root"].filter((path) => seen.has(path)));
    const plain = expected.map((entry) => describeEntry(entry));
    const found = expected.map((entry) => describeSeen(seen.get(entry.path)));
    expect(found).toEqual(plain);
  });

  it("agrees on the content of every file and the target of every link", () => {
    const digests = section(output, "DIGESTS-BEGIN", "LINKS-BEGIN").split("\n").filter(Boolean).sort();
    const files = expected.filter((entry) => entry.type === "file");
    expect(digests).toEqual(files.map((entry) => entry.sha256).sort());
    const links = section(output, "LINKS-BEGIN", "UNPACKED-END").split("\n").filter(Boolean).sort();
    expect(links).toEqual(
      expected
        .filter((entry) => entry.type === "symlink")
        .map((entry) => entry.target)
        .sort(),
    );
  });

  it("keeps every hard link set together and apart from the others", () => {
    const inodes = new Map(seenIn(output).map((node) => [node.path, node.inode]));
    const sets = new Map<string, Set<string | undefined>>();
    for (const entry of expected.filter((it) => it.linkSet !== "")) {
      sets.set(entry.linkSet, (sets.get(entry.linkSet) ?? new Set()).add(inodes.get(entry.path)));
    }
    expect([...sets.values()].map((set) => set.size)).toEqual([1, 1]);
    expect(new Set([...sets.values()].flatMap((set) => [...set])).size).toBe(2);
  });
});

/** A small root of everything that an archive can get wrong, on a merged /usr. */
function oddTarball(work: string): string {
  const root = join(work, "root");
  mkdirSync(root);
  execFileSync("tar", ["-xf", join(fixtures, "busybox-bookworm.tar"), "-C", root]);
  rmSync(join(root, "dev"), { recursive: true, force: true });
  for (const path of ["dev", "etc/odd", "var/empty dir", "opt/deep/er/and/deeper"])
    mkdirSync(join(root, path), { recursive: true });
  if (!execFileSync("ls", ["-ld", join(root, "bin")], { encoding: "utf8" }).includes("->")) {
    mkdirSync(join(root, "usr/bin"), { recursive: true });
    cpSync(join(root, "bin"), join(root, "usr/bin"), { recursive: true });
    rmSync(join(root, "bin"), { recursive: true });
    symlinkSync("usr/bin", join(root, "bin"));
  }
  const at = (name: string): string => join(root, "opt", name);
  writeFileSync(at("empty"), "");
  writeFileSync(at("a name with spaces"), "1\n");
  writeFileSync(at("a name\nwith a newline"), "2\n");
  writeFileSync(at("größe-é-日本"), "3\n");
  writeFileSync(Buffer.from(`${at("latin-")}\xff\xfe`, "latin1"), "4\n");
  writeFileSync(at("large"), Buffer.alloc(9 * 1024 * 1024, "large content, compressible "));
  writeFileSync(at("first of a set"), "hard linked\n");
  linkSync(at("first of a set"), at("deep/second of a set"));
  linkSync(at("first of a set"), at("deep/er/third of a set"));
  writeFileSync(at("other set"), "also linked\n");
  linkSync(at("other set"), at("deep/other set too"));
  symlinkSync("../nowhere", at("dangling"));
  symlinkSync("/etc/odd", at("absolute"));
  execFileSync("mkfifo", [at("fifo")]);
  execFileSync("mknod", [at("block"), "b", "7", "300"]);
  execFileSync("chmod", ["4755", at("empty")]);
  execFileSync("chown", ["1000:65534", at("large")]);
  lutimesSync(at("empty"), 1_234_567_890, 1_234_567_890);
  const tarball = join(work, "odd.tar");
  execFileSync("tar", ["--numeric-owner", "-cf", tarball, "-C", root, "."]);
  return tarball;
}

function section(output: string, from: string, to: string): string {
  return output.slice(output.indexOf(from) + from.length, output.indexOf(to, output.indexOf(from)));
}

function seenIn(output: string): readonly Seen[] {
  const names = Buffer.from(section(output, "NAMES-BEGIN", "ATTRIBUTES-BEGIN").trim(), "hex")
    .toString("latin1")
    .split("\0")
    .slice(0, -1);
  const lines = section(output, "ATTRIBUTES-BEGIN", "DIGESTS-BEGIN").trim().split("\n");
  expect(lines.length).toBe(names.length);
  return names.map((name, index) => {
    const [raw, owner, group, size, modified, major, minor, inode] = (lines[index] ?? "").split(" ");
    const mode = Number.parseInt(raw ?? "", 16);
    return {
      path: name === "." ? "" : name.slice(2),
      type: mode >> 12,
      mode: mode & 0o7777,
      owner: Number(owner),
      group: Number(group),
      size: Number(size),
      modified_s: Number(modified),
      major: Number.parseInt(major ?? "0", 16),
      minor: Number.parseInt(minor ?? "0", 16),
      inode: inode ?? "",
    };
  });
}

/** A symlink's mode means nothing, a directory's size is the filesystem's own. */
function describeEntry(entry: ManifestEntry): string {
  const type = TYPES[entry.type];
  const sized = entry.type === "file" || entry.type === "symlink";
  return text(
    entry.path,
    type,
    entry.mode,
    entry.owner,
    entry.group,
    sized ? entry.size : 0,
    entry.modified_s,
    entry.major,
    entry.minor,
  );
}

function describeSeen(seen: Seen | undefined): string {
  if (seen === undefined) return "missing";
  const sized = seen.type === TYPES.file || seen.type === TYPES.symlink;
  return text(
    seen.path,
    seen.type,
    seen.mode,
    seen.owner,
    seen.group,
    sized ? seen.size : 0,
    seen.modified_s,
    seen.major,
    seen.minor,
  );
}

function text(path: string, type: number, mode: number, ...rest: readonly number[]): string {
  const shown = type === TYPES.symlink ? 0o777 : mode;
  // The console the guest writes to changes its own time.
  const numbers = path === "dev/console" ? rest.map((value, index) => (index === 3 ? 0 : value)) : rest;
  return [JSON.stringify(path), type, shown.toString(8), ...numbers].join(" ");
}
