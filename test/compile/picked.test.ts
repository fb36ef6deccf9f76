import { describe, expect, it } from "vitest";
import { DEFAULT_EXCLUDES } from "../../src/compile/images.ts";
import type { ArtifactResource } from "../../src/core/resource.ts";
import { type Files, head, problemsOf, resourcesOf } from "./written.ts";

const volume = (name: string): string => `${head("Volume", name)}  backend: directory\n  path: /srv/${name}\n`;
const root = (name: string): string => `${head("Root", name)}  volume: ${name}\n  source: {mmdebstrap: {suite: s}}\n`;
const kernel = (spec: string): string => `${head("KernelConfig", "k")}  config: k.kconfig\n${spec}`;
const packed = `${head("Root", "t")}  source: {tarball: {path: /t.tar, sha256: "${"0".repeat(64)}"}}\n`;
const FILES: Files = {
  ...{ "volumes/a.yaml": volume("a"), "roots/a.yaml": root("a"), "volumes/b.yaml": volume("b") },
  ...{ "roots/b.yaml": root("b"), "roots/t.yaml": packed, "kernels/k.kconfig": "CONFIG_A=y\n" },
  "kernels/k.yaml": kernel("  source: {directory: /usr/src/linux}\n  modules: {}\n"),
};
const files = (spec: string): Files => ({ ...FILES, "i.yaml": `${head("Image", "i")}  root: a\n${spec}` });
const image = (spec: string) => {
  const { modules, firmware, dependsOn, excludes } = resourcesOf(files(spec)).get("artifact/i") as ArtifactResource;
  return { modules, firmware, dependsOn, excludes: excludes.slice(DEFAULT_EXCLUDES.length) };
};
const NO_MODULES = ["lib/modules/*", "usr/lib/modules/*"];
const NO_FIRMWARE = ["lib/firmware/*", "usr/lib/firmware/*"];
const without = { modules: undefined, firmware: undefined, dependsOn: ["tree/a"], excludes: [] };

describe("the modules of an image", () => {
  it("are those of its root, as they lie there, where it picks none", () => {
    expect(image("")).toStrictEqual(without);
  });

  it.each([
    ["its root, all of them", "{}", { type: "tree", tree: "tree/a", top: "/srv/a/root" }, undefined, ["tree/a"]],
    [
      "another root",
      "{root: b, only: [ext4]}",
      { type: "tree", tree: "tree/b", top: "/srv/b/root" },
      ["ext4"],
      ["tree/a", "tree/b"],
    ],
    [
      "a kernel that is built",
      "{kernel: k}",
      { type: "kernel", kernel: "kernel/k", path: "/state/kernels/k" },
      undefined,
      ["tree/a"],
    ],
  ])("come from %s, and replace what its root has", (_, written, from, only, dependsOn) => {
    expect(image(`  modules: ${written}\n`)).toStrictEqual({
      ...{ ...without, modules: { from, only }, dependsOn, excludes: NO_MODULES },
    });
  });

  it.each([
    ["is not built", ""],
    ["is built without any", "  source: {directory: /usr/src/linux}\n"],
  ])("come from no kernel that %s", (_, spec) => {
    expect(problemsOf({ ...files("  modules: {kernel: k}\n"), "kernels/k.yaml": kernel(spec) })).toEqual([
      [
        "desired/i.yaml:7:21: cannot take the modules of kernel k into Image i: they are not made",
        "write `modules: {}` into the KernelConfig",
      ],
    ]);
  });

  it("come from no root without a volume", () => {
    expect(problemsOf(files("  modules: {root: t}\n"))).toEqual([
      [
        "desired/i.yaml:7:12: cannot take modules of Root t into Image i: it has no volume",
        "give the root a volume, or name another place",
      ],
    ]);
  });
});

describe("the firmware of an image", () => {
  it.each([
    ["its root", "", { top: "/srv/a/root", folder: "lib/firmware", place: "tree/a" }, ["tree/a"]],
    [
      "another root",
      "root: b, ",
      { top: "/srv/b/root", folder: "lib/firmware", place: "tree/b" },
      ["tree/a", "tree/b"],
    ],
    ["a volume", "volume: {name: b}, ", { top: "/srv/b", folder: "", place: "volume/b" }, ["tree/a", "volume/b"]],
    [
      "a folder of one",
      "volume: {name: b, path: fw/x}, ",
      { top: "/srv/b", folder: "fw/x", place: "volume/b" },
      ["tree/a", "volume/b"],
    ],
  ])("comes from %s, and replaces what its root has", (_, place, firmware, dependsOn) => {
    expect(image(`  firmware: {${place}files: [a/*]}\n`)).toStrictEqual({
      ...{ ...without, firmware: { ...firmware, files: ["a/*"] }, dependsOn, excludes: NO_FIRMWARE },
    });
  });

  it("comes from no root without a volume", () => {
    expect(problemsOf(files("  firmware: {root: t, files: [a]}\n"))).toEqual([
      [
        "desired/i.yaml:7:13: cannot take firmware of Root t into Image i: it has no volume",
        "give the root a volume, or name another place",
      ],
    ]);
  });

  it("comes beside modules from elsewhere", () => {
    expect(image("  modules: {}\n  firmware: {volume: {name: b}, files: [x]}\n")).toMatchObject({
      ...{ dependsOn: ["tree/a", "volume/b"], excludes: [...NO_MODULES, ...NO_FIRMWARE] },
    });
  });
});
