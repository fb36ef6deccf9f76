import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import { kernelConfigKey } from "../../src/compile/kernels.ts";
import { compileFiles, head, inputOf, problemsOf, resourcesOf } from "./written.ts";

const volume = (name: string, spec: string): string => `${head("Volume", name)}${spec}`;

const base = {
  ...{ id: "volume/a", kind: "volume", name: "a", dependsOn: [] },
  origin: { document: "Volume/a", file: "desired/a.yaml", line: 1, column: 1 },
  ...{ protect: false, onDelete: "retain", size_bytes: undefined, filesystem: undefined, label: undefined },
  ...{ mountOptions: [], ownership: { owner: 0, group: 0 }, mode: 0o755 },
};

describe("a volume", () => {
  it.each([
    [
      "  backend: directory\n",
      { backend: "directory", path: "/state/volumes/a", device: "", identity: "path:/state/volumes/a" },
    ],
    [
      '  backend: directory\n  path: /srv/a\n  owner: "7:users"\n  mode: "0750"\n  protect: true\n  onDelete: destroy\n',
      {
        ...{ backend: "directory", path: "/srv/a", device: "", identity: "path:/srv/a", protect: true },
        ...{ ownership: { owner: 7, group: "users" }, mode: 0o750, onDelete: "destroy" },
      },
    ],
    [
      "  backend: btrfs\n  path: pool/a\n",
      { backend: "btrfs", path: "/state/pool/a", device: "/state/pool/a", identity: "path:/state/pool/a" },
    ],
    [
      "  backend: zfs\n  dataset: tank/a\n  mountPoint: /srv/a\n  mountOptions: [noatime]\n",
      { backend: "zfs", path: "/srv/a", device: "tank/a", identity: "dataset:tank/a", mountOptions: ["noatime"] },
    ],
    [
      "  backend: zfs\n  dataset: tank/a\n",
      { backend: "zfs", path: "/state/volumes/a", device: "tank/a", identity: "dataset:tank/a" },
    ],
    [
      "  backend: lvm\n  group: vg\n  size: 10GiB\n  filesystem: xfs\n  label: builds\n",
      {
        ...{ backend: "lvm", path: "/state/volumes/a", device: "vg/a", identity: "lv:vg/a" },
        ...{ size_bytes: 10 * 1024 ** 3, filesystem: "xfs", label: "builds" },
      },
    ],
    [
      "  backend: lvm\n  group: vg\n  logicalVolume: x\n  size: 4096\n",
      {
        ...{ backend: "lvm", path: "/state/volumes/a", device: "vg/x", identity: "lv:vg/x" },
        ...{ size_bytes: 4096, filesystem: "ext4" },
      },
    ],
    [
      "  backend: lvm\n  group: vg\n  size: 1MiB\n  thinPool: pool\n",
      {
        ...{ backend: "lvm", path: "/state/volumes/a", device: "vg/a", identity: "lv:vg/a" },
        ...{ size_bytes: 1024 ** 2, filesystem: "ext4", thinPool: "pool" },
      },
    ],
    [
      "  backend: loop\n  size: 1MiB\n  mountPoint: /srv/a\n",
      {
        ...{ backend: "loop", path: "/srv/a", device: "/state/volumes/a.img", identity: "path:/state/volumes/a.img" },
        ...{ size_bytes: 1024 ** 2, filesystem: "ext4" },
      },
    ],
    [
      "  backend: loop\n  size: 1MiB\n  image: /srv/images/x.img\n  filesystem: btrfs\n",
      {
        ...{ backend: "loop", path: "/state/volumes/a", device: "/srv/images/x.img" },
        ...{ identity: "path:/srv/images/x.img", size_bytes: 1024 ** 2, filesystem: "btrfs" },
      },
    ],
  ])("written as %j is that one", (spec, expected) => {
    expect([...resourcesOf({ "a.yaml": volume("a", spec) }).values()]).toEqual([{ ...base, ...expected }]);
  });

  it("without a thin pool says nothing of one", () => {
    const lvm = "  backend: lvm\n  group: vg\n  size: 1MiB\n";
    expect(resourcesOf({ "a.yaml": volume("a", lvm) }).get("volume/a")).not.toHaveProperty("thinPool");
  });

  it("brings its links, which depend on it", () => {
    const spec = "  backend: directory\n  links: [{path: /srv/a, to: ../volumes/a}]\n";
    expect(resourcesOf({ "a.yaml": volume("a", spec) }).get("link/a:/srv/a")).toEqual({
      ...{ id: "link/a:/srv/a", kind: "link", name: "a:/srv/a", identity: "path:/srv/a", dependsOn: ["volume/a"] },
      origin: { document: "Volume/a", file: "desired/a.yaml", line: 7, column: 11 },
      ...{ protect: false, onDelete: "destroy", path: "/srv/a", target: "../volumes/a" },
    });
  });

  it.each(["/srv/rootloom", "/srv/rootloom/state"])("at %s would hold the state directory, and is refused", (path) => {
    const input = inputOf({ "a.yaml": volume("a", `  backend: directory\n  path: ${path}\n`) });
    expect(compile({ ...input, state: "/srv/rootloom/state" }).problems).toEqual([
      {
        ...{ file: "desired/a.yaml", line: 7, column: 9 },
        message: `cannot use ${path} as Volume a: the state directory lies in it`,
        hint: "choose a folder of its own",
      },
    ]);
  });

  it("beside the state directory, or in it, is none of that", () => {
    for (const path of ["/stat", "/state2", "/state/a", "/srv"]) {
      expect(problemsOf({ "a.yaml": volume("a", `  backend: directory\n  path: ${path}\n`) })).toEqual([]);
    }
  });

  it("whose image lies in another volume depends on that one, wherever it is mounted", () => {
    const loop = "  backend: loop\n  size: 1MiB\n  image: /srv/pool/a.img\n  mountPoint: /srv/other/a\n";
    const files = {
      "a.yaml": volume("a", loop),
      "other.yaml": volume("other", "  backend: directory\n  path: /srv/other\n"),
      "pool.yaml": volume("pool", "  backend: directory\n  path: /srv/pool\n"),
    };
    expect(resourcesOf(files).get("volume/a")?.dependsOn).toContain("volume/pool");
  });

  it("that images, kernels and roots stand in comes before them", () => {
    const files = {
      "state.yaml": volume("state", "  backend: directory\n  path: artifacts\n"),
      "kernels.yaml": volume("kernels", "  backend: directory\n  path: kernels\n"),
      "outer.yaml": volume("outer", "  backend: directory\n  path: /srv/outer\n"),
      "inner.yaml": volume("inner", "  backend: directory\n  path: /srv/outer/inner\n"),
      "r.yaml": `${head("Root", "r")}  volume: inner\n  source: {mmdebstrap: {suite: s}}\n`,
      "i.yaml": `${head("Image", "i")}  root: r\n`,
      "k.kconfig": "CONFIG_A=y\n",
      "k.yaml": `${head("KernelConfig", "k")}  config: k.kconfig\n  source: {directory: /usr/src/linux}\n`,
    };
    const merged = new Map([[kernelConfigKey("k"), { sha256: "", size: 0, content: "" }]]);
    const { resources } = compile({ ...inputOf(files), merged }).graph;
    const needs = new Map(resources.map(({ id, dependsOn }) => [id, dependsOn]));
    expect(needs.get("tree/r")).toEqual(["volume/inner", "volume/outer"]);
    expect(needs.get("artifact/i")).toEqual(["tree/r", "volume/state"]);
    expect(needs.get("kernel/k")).toEqual(["volume/kernels"]);
  });

  it("that two others stand in depends on neither, and they on it", () => {
    const files = {
      "a.yaml": volume("a", "  backend: directory\n  path: /srv/a\n"),
      "b.yaml": volume("b", "  backend: directory\n  path: /srv/a/b\n"),
      "c.yaml": volume("c", "  backend: directory\n  path: /srv/a/b/c\n"),
      "d.yaml": volume("d", "  backend: directory\n  path: /srv/ab\n"),
    };
    const needs = [...resourcesOf(files).values()].map(({ id, dependsOn }) => [id, ...dependsOn]);
    expect(needs).toEqual([["volume/a"], ["volume/b", "volume/a"], ["volume/c", "volume/a", "volume/b"], ["volume/d"]]);
  });

  it("and another whose places lie in each other are a cycle, which is named", () => {
    const loop = (image: string, mountPoint: string): string =>
      `  backend: loop\n  size: 1MiB\n  image: ${image}\n  mountPoint: ${mountPoint}\n`;
    const files = {
      "a.yaml": volume("a", loop("/srv/b/a.img", "/srv/a")),
      "b.yaml": volume("b", loop("/srv/a/b.img", "/srv/b")),
    };
    expect(problemsOf(files)).toEqual([
      [
        "desired/a.yaml:1:1: cannot order the resources: volume/a needs volume/b needs volume/a",
        "take one of these dependencies away",
      ],
    ]);
    expect(compileFiles(files).graph.resources).toHaveLength(2);
  });
});
