import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import { mergedKey } from "../../src/compile/context.ts";
import { DEFAULT_EXCLUDES } from "../../src/compile/images.ts";
import type { ArtifactResource } from "../../src/core/resource.ts";
import { compileFiles, type Files, head, inputOf, overlayYaml, resourcesOf, TARGET_NAME } from "./written.ts";

const root = (name: string, more = ""): string =>
  `${head("Root", name)}  volume: ${name}\n  source: {mmdebstrap: {suite: s}}\n${more}`;
const volume = (name: string): string => `${head("Volume", name)}  backend: directory\n  path: /srv/${name}\n`;
const FILES: Files = {
  "volumes/a.yaml": volume("a"),
  "volumes/b.yaml": volume("b"),
  "roots/a.yaml": root("a"),
  "roots/b.yaml": root("b", "  mounts: [{target: /var/cache, type: tmpfs, namespace: host}]\n"),
  "overlays/common/init": "i",
  "overlays/hardware/qemu/x": "x",
};
const image = (spec: string, more: Files = {}): ArtifactResource => {
  const files = { ...FILES, ...more, "images/i.yaml": `${head("Image", "i")}  root: a\n${spec}` };
  return resourcesOf(files).get("artifact/i") as ArtifactResource;
};
const names = (artifact: ArtifactResource) => artifact.overlays.map(({ name }) => name);

describe("an image", () => {
  it("with nothing but a root has these inputs", () => {
    const { overlays, nodes, base, ...rest } = image("");
    expect(rest).toEqual({
      ...{ id: "artifact/i", kind: "artifact", name: "i", identity: "path:/state/artifacts/i", dependsOn: ["tree/a"] },
      origin: { document: "Image/i", file: "desired/images/i.yaml", line: 1, column: 1 },
      ...{ protect: false, onDelete: "retain", format: "initramfs", path: "/state/artifacts/i" },
      ...{ file: "initramfs.cpio.gz", excludes: DEFAULT_EXCLUDES, init: "/init" },
      ...{ compression: { codec: "gzip", level: 5 }, sourceDate_s: 0, packPolicy: "onChange", generations: 3 },
      target: undefined,
    });
    expect(names({ overlays } as ArtifactResource)).toEqual(["common"]);
    expect([nodes.map(({ path }) => path), base.type]).toEqual([["dev", "dev/console"], "tree"]);
  });

  it("has all that it declares", () => {
    const spec =
      "  init: /sbin/init\n  compression: {codec: zstd, level: 19}\n  sourceDate: 1970-01-02\n  pack: onApprove\n  retention: {generations: 9}\n  exclude: []\n";
    expect(image(spec)).toMatchObject({
      ...{ init: "/sbin/init", compression: { codec: "zstd", level: 19 }, sourceDate_s: 86_400 },
      ...{ packPolicy: "onApprove", generations: 9, excludes: [] },
    });
    expect(image("  compression: {level: 1}\n").compression).toEqual({ codec: "gzip", level: 1 });
  });

  it("leaves out of its root what a machine makes anew, and people's own", () => {
    expect(DEFAULT_EXCLUDES).toMatchInlineSnapshot(`
      [
        "proc/*",
        "sys/*",
        "dev/*",
        "var/db/repos",
        "var/db/pkg",
        "var/cache/*",
        "var/lib/portage",
        "var/lib/gentoo",
        "var/gentoo",
        "usr/share/portage",
        "root/*",
        "home/*",
        "var/tmp/*",
        "tmp/*",
        "etc/portage",
        "var/log/*",
        "usr/src",
        "usr/share/doc/*",
        "usr/share/man/*",
      ]
    `);
  });

  it("names the target that its matrix or it itself names", () => {
    const targets = {
      "t.yaml": `${head("ArchTarget", "t")}  cpu: x\n`,
      "u.yaml": `${head("ArchTarget", "u")}  cpu: y\n`,
    };
    expect(image("  target: t\n", targets).target).toBe("t");
    const named = `${head("Image", `i-${TARGET_NAME}`)}  root: a\n  matrix: {targets: [u]}\n`;
    expect(resourcesOf({ ...FILES, ...targets, "i.yaml": named }).get("artifact/i-u")).toMatchObject({ target: "u" });
  });

  it("is not held up by what is laid into or mounted in another root", () => {
    const laid = overlayYaml("  into: root\n  roots: [b]\n");
    const artifact = image("  common: false\n", { "overlays/hardware/qemu/overlay.yaml": laid });
    expect([artifact.dependsOn, artifact.excludes]).toEqual([["tree/a"], DEFAULT_EXCLUDES]);
    const other = `${head("Image", "o")}  root: b\n  common: false\n`;
    const files = { ...FILES, "overlays/hardware/qemu/overlay.yaml": laid, "images/o.yaml": other };
    expect(resourcesOf(files).get("artifact/o")).toMatchObject({
      dependsOn: ["mount/b:/var/cache", "overlay/hardware/qemu@b", "tree/b"],
      excludes: [...DEFAULT_EXCLUDES, "var/cache/*"],
    });
  });

  it("of a bare tarball depends on nothing, whatever is mounted elsewhere", () => {
    const tarball = `${head("Root", "a")}  source: {tarball: {path: /x.tar, sha256: ${"a".repeat(64)}}}\n`;
    const artifact = image("", { "roots/a.yaml": tarball });
    expect([artifact.dependsOn, artifact.excludes]).toEqual([[], DEFAULT_EXCLUDES]);
  });

  it("without common has no layer unless it names one", () => {
    expect(names(image("  common: false\n"))).toEqual([]);
    const { "overlays/common/init": _, ...without } = FILES;
    const files = { ...without, "images/i.yaml": `${head("Image", "i")}  root: a\n` };
    expect(names(resourcesOf(files).get("artifact/i") as ArtifactResource)).toEqual([]);
  });

  it("lays overlays of one order by their names", () => {
    const more = { "overlays/hardware/a/x": "x", "overlays/hardware/z/x": "x" };
    const orders = ["[hardware/z, hardware/qemu, hardware/a]", "[hardware/a, hardware/z, hardware/qemu]"];
    for (const list of orders) {
      expect(names(image(`  overlays: ${list}\n`, more))).toEqual([
        "common",
        "hardware/a",
        "hardware/qemu",
        "hardware/z",
      ]);
    }
  });

  it("that names what no document declares is left out, and nothing falls over", () => {
    const input = inputOf({
      ...FILES,
      "images/i.yaml": `${head("Image", "i")}  root: a\n  overlays: [hardware/qemu]\n`,
    });
    const without = (gone: string) => {
      const documents = input.documents.filter(({ kind, name }) => `${kind}/${name}` !== gone);
      return compile({ ...input, documents }).graph.resources.find(({ id }) => id === "artifact/i") as ArtifactResource;
    };
    expect(without("Root/a")).toBeUndefined();
    expect(names(without("Overlay/hardware/qemu"))).toEqual(["common"]);
    expect(without("Volume/a")).toBeUndefined();
  });
});

describe("the secret overlay of an image", () => {
  const SECRET: Files = { "overlays/secret-sauce/s/key": "k" };
  const into = (roots: string): Files => ({
    ...SECRET,
    "overlays/secret-sauce/s/overlay.yaml": overlayYaml(`  into: root\n  roots: [${roots}]\n`),
  });
  const copy: Files = {
    "volumes/c.yaml": volume("c"),
    "roots/c.yaml": `${head("Root", "c")}  volume: c\n  source: {clone: {root: b}}\n`,
  };
  const part: Files = {
    ...{ ...SECRET, "parts/p": "p" },
    "roots/a.yaml": root("a", "  provision: {files: [{path: /k, from: [overlays/secret-sauce/s/key]}]}\n"),
  };

  it("is one of its layers", () => {
    expect(image("  overlays: [hardware/qemu, secret-sauce/s]\n", SECRET).secretOverlay).toBe("secret-sauce/s");
  });

  it("is one that is laid into its root, or into the root that this is a copy of", () => {
    expect(image("", into("b, a")).secretOverlay).toBe("secret-sauce/s");
    const files = { ...FILES, ...copy, ...into("b"), "images/i.yaml": `${head("Image", "i")}  root: c\n` };
    expect(resourcesOf(files).get("artifact/i")).toMatchObject({ secretOverlay: "secret-sauce/s" });
  });

  it("is the files of its root that are put together from a secret part", () => {
    const input = inputOf({ ...FILES, ...part, "images/i.yaml": `${head("Image", "i")}  root: a\n` });
    const merged = new Map([[mergedKey(["overlays/secret-sauce/s/key"]), { sha256: "k", size: 1, content: "/c" }]]);
    const { resources } = compile({ ...input, merged }).graph;
    expect(resources.find(({ id }) => id === "artifact/i")).toMatchObject({ secretOverlay: "provision" });
  });

  it("is none where others have it", () => {
    expect(image("  overlays: [hardware/qemu]\n", SECRET).secretOverlay).toBeUndefined();
    expect(image("", { ...copy, ...into("b") }).secretOverlay).toBeUndefined();
  });
});

describe("the list of resources", () => {
  it("is sorted by kind and then by name", () => {
    const links = "  links: [{path: /tools-b, to: x}, {path: /tools-a, to: x}]\n";
    const files = {
      ...FILES,
      "targets/t.yaml": `${head("ArchTarget", "t")}  environmentFile: t.env\n${links}`,
      "images/z.yaml": `${head("Image", "z")}  root: b\n`,
      "images/i.yaml": `${head("Image", "i")}  root: a\n`,
      "overlays/hardware/qemu/overlay.yaml": overlayYaml("  into: root\n  roots: [b, a]\n"),
    };
    const ids = compileFiles(files).graph.resources.map(({ id }) => id);
    expect(ids).toEqual([
      ...["volume/a", "volume/b", "tree/a", "tree/b", "mount/b:/var/cache"],
      ...["overlay/hardware/qemu@a", "overlay/hardware/qemu@b", "link/t:/tools-a", "link/t:/tools-b"],
      ...["environment/t", "artifact/i", "artifact/z"],
    ]);
    const input = inputOf(files);
    const turned = compile({ ...input, documents: [...input.documents].reverse() }).graph.resources;
    expect(turned.map(({ id }) => id)).toEqual(ids);
  });
});
