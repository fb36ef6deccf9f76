import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import { type ConfigurationFile, importConfiguration } from "../../src/documents/import.ts";
import type { Unusual } from "../../src/documents/import-rules.ts";
import { loadDocuments } from "../../src/documents/load.ts";
import { proposedLimits, templateTree } from "../../src/documents/template.ts";
import type { TreeFile } from "../../src/documents/tree-file.ts";
import { parseLimits } from "../../src/resources/limits.ts";
import { sha256, snapshotOf } from "./snapshot.ts";

const file = (text: string, executable = false): ConfigurationFile => ({ bytes: Buffer.from(text), executable });
const KCONFIG = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_DEVTMPFS=y\nCONFIG_RD_GZIP=y\n";

function asSnapshot(files: readonly TreeFile[]): ReturnType<typeof snapshotOf> {
  return snapshotOf(
    Object.fromEntries(
      files.map(({ path, content, executable, target }) => {
        const text = typeof content === "string" ? content : Buffer.from(content).toString();
        return [path, target === undefined ? { text, executable } : { link: target }];
      }),
    ),
  );
}

function compiled(files: readonly TreeFile[]): readonly string[] {
  const loaded = loadDocuments(asSnapshot(files));
  const result = compile({ ...loaded, state: "/s", defaults: { jobs: 1, memory_bytes: 1 }, digest: sha256 });
  expect([...loaded.problems, ...result.problems]).toEqual([]);
  return result.graph.resources.map(({ id }) => id);
}

describe("import of the older tool's config tree", () => {
  const tree = new Map<string, ConfigurationFile>([
    ["build-env/ZFS", file("# the root\ntank/roots/gentoo\n")],
    ["build-env/make.conf", file('CFLAGS="-O2"\n')],
    ["build-env/notes.txt", file("hm\n")],
    ["common/.profile", file("x\n")],
    ["common/init", file("#!/bin/sh\n", true)],
    ["common/etc/localtime", { bytes: new Uint8Array(), executable: false, target: "../usr/share/zoneinfo/UTC" }],
    ["overlays/hardware/Lenovo T430/etc/fstab", file("\n")],
    ["overlays/hardware/qemu/etc/fstab", file("\n")],
    ["overlays/secret-sauce/home/etc/key", file("k\n")],
    ["kernel/tiny.kconfig", file(`${KCONFIG}CONFIG_INITRAMFS_SOURCE="root/init/initramfs.cpio.gz"\n`)],
  ]);

  it("makes a tree that validates and compiles: a volume, a root, one image for each hardware", () => {
    expect(compiled(importConfiguration(tree).files)).toEqual([
      "volume/gentoo",
      "tree/gentoo",
      "mount/gentoo:/dev",
      "mount/gentoo:/proc",
      "mount/gentoo:/sys",
      "mount/gentoo:/tmp",
      "overlay/hardware/build-env@gentoo",
      "artifact/Lenovo-T430",
      "artifact/qemu",
    ]);
  });

  it("keeps every file: dotfiles, links, executable bits and bytes", () => {
    const files = new Map(importConfiguration(tree).files.map((imported) => [imported.path, imported]));
    expect(files.get("overlays/common/.profile")?.content).toEqual(Buffer.from("x\n"));
    expect(files.get("overlays/common/init")?.executable).toBe(true);
    expect(files.get("overlays/common/etc/localtime")?.target).toBe("../usr/share/zoneinfo/UTC");
    expect(files.has("overlays/hardware/build-env/etc/portage/make.conf")).toBe(true);
    expect(files.get("volumes/gentoo.yaml")?.content).toContain("dataset: tank/roots/gentoo");
    expect(files.get("images/qemu.yaml")?.content).toContain("- secret-sauce/home\n  kernel: tiny\n");
  });

  it("says what it changed, chose and could not carry", () => {
    expect(importConfiguration(tree).notes).toEqual([
      "overlays/hardware/Lenovo T430: called Lenovo-T430, for names are letters, digits, dot, dash, underscore",
      "owners are not carried, all becomes 0:0: add `rules` to each overlay's overlay.yaml that needs another one",
      "build-env: laid into the root gentoo below etc/portage by overlay hardware/build-env",
      "kernel/tiny.kconfig: INITRAMFS_SOURCE is kept as it was; the image now stands at artifacts/NAME/current",
      "the root gentoo is taken as it is: `rootloom adopt` makes it ours before a pass uses it",
      "build-env/notes.txt: not carried: it has no place in desired/",
    ]);
  });

  it("carries modes, empty directories and nodes in the overlay's own document, and names what has no place", () => {
    const entry = (type: Unusual["type"], mode: number) => ({ type, mode, major: 0, minor: 0 });
    const { files, notes } = importConfiguration(
      tree,
      new Map([
        ["common/run", entry("directory", 0o1777)],
        ["overlays/hardware/Lenovo T430/etc/fifo", entry("fifo", 0o600)],
        ["overlays/secret-sauce/home/etc/key", entry("file", 0o600)],
        ["overlays/secret-sauce/home/etc/a*b", entry("file", 0o600)],
        ["overlays/secret-sauce/home/socket", entry("socket", 0o755)],
        ["build-env/secret", entry("file", 0o600)],
      ]),
    );
    compiled(files);
    const texts = new Map(files.map(({ path, content }) => [path, String(content)]));
    expect(texts.get("overlays/common/overlay.yaml")).toContain('directories:\n    - path: run\n      mode: "1777"\n');
    expect(texts.get("overlays/hardware/Lenovo-T430/overlay.yaml")).toContain('- path: etc/fifo\n      mode: "0600"');
    expect(texts.get("overlays/secret-sauce/home/overlay.yaml")).toContain('- path: etc/key\n      mode: "0600"\n');
    expect(notes).toEqual(
      expect.arrayContaining([
        "build-env/secret: git does not keep that it is a file of mode 0600",
        "secret-sauce/home/etc/a*b: file of mode 0600 not carried: the * in its name would be a pattern in a rule",
        "secret-sauce/home/socket: socket of mode 0755 not carried: a socket is made by its program",
        "overlays/secret-sauce/home/overlay.yaml: says the modes, directories and nodes that git cannot keep (1)",
      ]),
    );
  });

  it("carries the caches that the file names, bound into the root where the older tool had them", () => {
    const zfs =
      "ROOT=tank/gentoo\nDISTFILES='tank/distfiles'\nPKGDIR=tank/pkgdir\nPORTAGE=tank/portage\nnonsense here\n";
    const imported = importConfiguration(new Map([["build-env/ZFS", file(zfs)]]));
    expect(compiled(imported.files).filter((id) => /volume|\/var/.test(id))).toEqual([
      "volume/gentoo",
      "volume/gentoo-binpkgs",
      "volume/gentoo-distfiles",
      "volume/gentoo-portage",
      "mount/gentoo:/var/cache/binpkgs",
      "mount/gentoo:/var/cache/distfiles",
      "mount/gentoo:/var/db/repos/gentoo",
    ]);
    expect(imported.notes[0]).toBe("build-env/ZFS: not carried: `nonsense here` names no dataset");
  });

  it("leaves a choice among several secret-sauces and kernels to a person, and says so", () => {
    const several = new Map([
      ["overlays/hardware/a/init", file("")],
      ["overlays/secret-sauce/x/k", file("")],
      ["overlays/secret-sauce/y/k", file("")],
      ["kernel/p.kconfig", file(KCONFIG)],
      ["kernel/q.kconfig", file("")],
    ]);
    const { files, notes } = importConfiguration(several);
    expect(compiled(files).filter((id) => id.startsWith("artifact/"))).toEqual(["artifact/a"]);
    expect(notes).toContain(
      "images get no secret-sauce: choose among secret-sauce/x, secret-sauce/y and add it to their `overlays`",
    );
    expect(notes).toContain("images get no kernel: choose among p, q and add it as `kernel`");
    expect(notes.some((note) => note.startsWith("kernel/q.kconfig: cannot boot an image"))).toBe(true);
  });

  it("never loses a file in silence: an overlay's own overlay.yaml is named", () => {
    const { notes } = importConfiguration(new Map([["common/overlay.yaml", file("x")]]));
    expect(notes[1]).toBe("common/overlay.yaml: not carried: in desired/ that name is the overlay's own document");
  });
});

describe("init", () => {
  it("proposes a tree that validates and compiles", () => {
    expect(compiled(templateTree())).toEqual(["volume/debian", "tree/debian", "mount/debian:/proc", "artifact/debian"]);
  });

  it("proposes limits that allow the state directory only", () => {
    const limits = parseLimits(proposedLimits("/var/lib/rootloom"), "limits.yaml");
    expect(limits).toMatchObject({ paths: ["/var/lib/rootloom"], pools: [], maxDeletions: 3, hostCommands: false });
  });
});
