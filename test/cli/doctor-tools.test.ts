import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  distributionOf,
  missingFinding,
  parseTools,
  purposesOf,
  type Tool,
  toolFindings,
} from "../../src/cli/doctor-tools.ts";
import type { Resource } from "../../src/core/resource.ts";
import type { Session } from "../../src/pass/types.ts";

const text = readFileSync(new URL("../../src/tools.txt", import.meta.url), "utf8");
const zfs: Tool = {
  tool: "zfs",
  purposes: ["zfs"],
  packages: { debian: "zfsutils-linux", gentoo: "sys-fs/zfs", alpine: "zfs" },
};

describe("the table of tools", () => {
  it("has six fields in each row and no tool twice", () => {
    const rows = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    expect(rows.filter((row) => !/^\S+ [a-z0-9,]+( \S+){4}$/.test(row))).toEqual([]);
    const tools = parseTools(text).map(({ tool }) => tool);
    expect(new Set(tools).size).toBe(tools.length);
    expect(tools.length).toBe(rows.length);
  });

  it("knows a package of each tool on Debian, and of each that users need on two distributions at least", () => {
    const tools = parseTools(text);
    expect(tools.filter(({ packages }) => packages.debian === undefined)).toEqual([]);
    const ofUsers = tools.filter(({ purposes }) => purposes.some((purpose) => purpose !== "test"));
    expect(ofUsers.filter(({ packages }) => Object.keys(packages).length < 2)).toEqual([]);
  });
});

describe("a tool that is missing", () => {
  it("is an error, with the resource that needs it and this distribution's command, where something declared needs it", () => {
    expect(missingFinding(zfs, new Map([["zfs", "volume/tank"]]), "gentoo")).toEqual({
      check: "tool zfs",
      status: "error",
      message: "zfs is missing: volume/tank needs it",
      hint: "emerge sys-fs/zfs",
    });
  });

  it("is a note where nothing declared needs it", () => {
    expect(missingFinding(zfs, new Map([["lvm", "volume/a"]]), "alpine")).toEqual({
      check: "tool zfs",
      status: "note",
      message: "zfs is missing; nothing declared needs it (zfs)",
      hint: "apk add zfs",
    });
  });

  it("is an error where no pass works without it, whatever is declared", () => {
    const git = { tool: "git", purposes: ["start"], packages: { arch: "git" } } as const;
    expect(missingFinding(git, new Map(), "arch")).toMatchObject({ status: "error", hint: "pacman -S git" });
  });

  it("is named with the packages of other distributions where this one has none or is not known", () => {
    expect(missingFinding(zfs, new Map(), "arch").hint).toBe(
      "arch has no package of it; elsewhere it is in debian: zfsutils-linux, gentoo: sys-fs/zfs, alpine: zfs",
    );
    expect(missingFinding(zfs, new Map(), undefined).hint).toMatch(/^elsewhere it is in debian: zfsutils-linux/);
  });
});

it("looks for commands where commands are, and for a file that begins with a slash where it is", async () => {
  const missingWhere = async (has: (path: string) => boolean) => {
    const files = { readText: () => text, stat: (path: string) => (has(path) ? {} : undefined) };
    const find = (tool: string) => (tool.startsWith("/") ? undefined : `/usr/bin/${tool}`);
    const findings = await toolFindings({ host: { files, processes: { find } } } as unknown as Session);
    return findings.filter(({ check }) => check !== "tools").map(({ check }) => check);
  };
  expect(await missingWhere(() => true)).toEqual([]);
  expect(await missingWhere(() => false)).toEqual(["tool /usr/include/gelf.h"]);
});

describe("the distribution", () => {
  it.each([
    ["ID=debian\n", "debian"],
    ['ID="gentoo"\nID_LIKE=""\n', "gentoo"],
    ["NAME=x\nID=ubuntu\nID_LIKE=debian\n", "debian"],
    ['ID=manjaro\nID_LIKE="arch linux"\n', "arch"],
    ["ID=nixos\n", undefined],
    ["", undefined],
  ])("of %j is %s", (osRelease, distribution) => {
    expect(distributionOf(osRelease)).toBe(distribution);
  });
});

it("asks for the tools of backends, filesystems, sources and formats that are declared", () => {
  const resources = [
    { kind: "volume", id: "volume/a", backend: "lvm", filesystem: "xfs" },
    { kind: "volume", id: "volume/b", backend: "lvm", filesystem: "ext4" },
    { kind: "tree", id: "tree/a", source: { type: "debootstrap" } },
    {
      kind: "tree",
      id: "tree/b",
      source: { type: "tarball", location: "https://example.org/stage3.tar.bz2", signature: "/srv/stage3.asc" },
    },
    { kind: "artifact", id: "artifact/a", format: "squashfs" },
    { kind: "link", id: "link/a" },
  ] as unknown as readonly Resource[];
  expect(Object.fromEntries(purposesOf(resources, "x64"))).toEqual({
    lvm: "volume/a",
    xfs: "volume/a",
    ext4: "volume/b",
    debootstrap: "tree/a",
    bzip2: "tree/b",
    download: "tree/b",
    signature: "tree/b",
    squashfs: "artifact/a",
  });
});

it("asks for compilers where the host builds kernels, for guests of each architecture, and for an index of modules", () => {
  const kernel = { kind: "kernel", source: { type: "directory" }, patches: [] };
  const check = { expect: "UP" };
  const resources = [
    { ...kernel, id: "kernel/root", buildIn: { tree: "tree/a" }, bootCheck: check, architecture: "arm64" },
    { ...kernel, id: "kernel/host", bootCheck: check, architecture: "i386" },
    { ...kernel, id: "kernel/own", architecture: undefined },
    { kind: "artifact", id: "artifact/a", format: "initramfs", modules: {} },
  ] as unknown as readonly Resource[];
  expect(Object.fromEntries(purposesOf(resources, "x64"))).toMatchObject({
    objtool: "kernel/own",
    bootarm64: "kernel/root",
    kernel: "kernel/host",
    boot: "kernel/host",
    modules: "artifact/a",
  });
  const ofArm = purposesOf(resources, "arm64");
  expect(ofArm.has("objtool")).toBe(false);
  const inRoot = { ...kernel, id: "kernel/in", buildIn: { tree: "tree/a" }, architecture: "x86_64" };
  expect(purposesOf([inRoot] as unknown as readonly Resource[], "x64").has("objtool")).toBe(false);
});

it("asks for an emulator where programs of a foreign architecture run, for bzip2 by each of its endings, and for what unpacks packages", () => {
  const bootstrap = (name: string, architecture: string | undefined, variant = "minbase") => ({
    ...{ kind: "tree", id: `tree/${name}`, source: { type: "mmdebstrap", architecture, variant } },
  });
  const resources = [
    bootstrap("own", undefined),
    bootstrap("amd64", "amd64"),
    bootstrap("i386", "i386"),
    bootstrap("extract", "arm64", "extract"),
    bootstrap("arm64", "arm64"),
    { kind: "tree", id: "tree/b", source: { type: "tarball", location: "/srv/stage3.tbz2" } },
    { kind: "kernel", id: "kernel/k", source: { type: "package" }, buildIn: { tree: "tree/b" }, patches: [] },
  ] as unknown as readonly Resource[];
  const asked = { mmdebstrap: "tree/own", emulation: "tree/arm64", bzip2: "tree/b", package: "kernel/k" };
  expect(Object.fromEntries(purposesOf(resources, "x64"))).toEqual(asked);
  expect(purposesOf(resources, "arm64").get("emulation")).toBe("tree/amd64");
  const purposes = parseTools(text).flatMap((tool) => tool.purposes);
  expect(Object.keys(asked).filter((purpose) => !purposes.includes(purpose))).toEqual([]);
});
