import { describe, expect, it } from "vitest";
import type { TreeResource, VolumeResource } from "../../src/core/resource.ts";
import { type Files, head, resourcesOf } from "./written.ts";

/** The volume and the root of a clone, `b`, of a root `a`, each on a volume as written. */
function clone(a: string, b: string, more: Files = {}) {
  const found = resourcesOf({
    "volumes/a.yaml": `${head("Volume", "a")}  ${a}\n`,
    "volumes/b.yaml": `${head("Volume", "b")}  ${b}\n`,
    "roots/a.yaml": `${head("Root", "a")}  volume: a\n  source: {mmdebstrap: {suite: s}}\n`,
    "roots/b.yaml": `${head("Root", "b")}  volume: b\n  source: {clone: {root: a}}\n`,
    ...more,
  });
  const { cloneOf, dependsOn } = found.get("volume/b") as VolumeResource;
  const { source } = found.get("tree/b") as TreeResource;
  const comes = source.type === "clone" ? source.means : undefined;
  return { means: cloneOf?.means, of: cloneOf?.volume.id, dependsOn, comes };
}

const both = (spec: string, more: Files = {}) => clone(spec.replaceAll("N", "a"), spec.replaceAll("N", "b"), more);
const lvm = (more: string) => `{backend: lvm, group: vg, logicalVolume: N, size: 1G, ${more}}`;
const spec = (text: string) => text.slice(1, -1).split(", ").join("\n  ");

describe("a volume whose only root is a clone", () => {
  it.each([
    ["btrfs", "{backend: btrfs}", "btrfs snapshot"],
    ["zfs in one pool", "{backend: zfs, dataset: tank/N}", "zfs clone"],
    ["lvm in one thin pool", lvm("thinPool: thin"), "lvm thin snapshot"],
    ["loop with one filesystem", "{backend: loop, size: 1G, filesystem: xfs}", "reflink copy"],
  ])("is made as a clone of its origin's on %s, after the origin", (_, written, means) => {
    expect(both(spec(written))).toEqual({ means, of: "volume/a", dependsOn: ["tree/a"], comes: means });
  });

  it.each([
    ["zfs in two pools", "{backend: zfs, dataset: tank/a}", "{backend: zfs, dataset: other/b}"],
    ["lvm outside a thin pool", lvm("filesystem: xfs"), lvm("filesystem: xfs")],
    ["zfs in two pools that begin alike", "{backend: zfs, dataset: tank/a}", "{backend: zfs, dataset: tower/b}"],
    ["lvm in two thin pools", lvm("thinPool: one"), lvm("thinPool: two")],
    ["lvm in two groups", lvm("thinPool: thin"), lvm("thinPool: thin").replace("vg", "vh")],
    ["a smaller image", "{backend: loop, size: 2G}", "{backend: loop, size: 1G}"],
    ["another filesystem", "{backend: loop, size: 1G, filesystem: xfs}", "{backend: loop, size: 1G, filesystem: ext4}"],
    ["images of btrfs", "{backend: loop, size: 1G, filesystem: btrfs}", "{backend: loop, size: 1G, filesystem: btrfs}"],
    ["two backends", "{backend: zfs, dataset: tank/a}", "{backend: btrfs}"],
  ])("is made empty, and its root copied, on %s", (_, a, b) => {
    const made = clone(spec(a.replaceAll("N", "a")), spec(b.replaceAll("N", "b")));
    expect(made).toEqual({ means: undefined, of: undefined, dependsOn: [], comes: "plain copy" });
  });

  it("names the volume and the root that it is made from", () => {
    const found = resourcesOf({
      "volumes/a.yaml": `${head("Volume", "a")}  backend: zfs\n  dataset: tank/a\n`,
      "volumes/b.yaml": `${head("Volume", "b")}  backend: zfs\n  dataset: tank/b\n`,
      "roots/a.yaml": `${head("Root", "a")}  volume: a\n  source: {mmdebstrap: {suite: s}}\n`,
      "roots/b.yaml": `${head("Root", "b")}  volume: b\n  source: {clone: {root: a}}\n`,
    });
    const volumePath = "/state/volumes/a";
    expect((found.get("volume/b") as VolumeResource).cloneOf).toEqual({
      means: "zfs clone",
      volume: { id: "volume/a", name: "a", backend: "zfs", path: volumePath, device: "tank/a" },
      tree: { id: "tree/a", name: "a", path: `${volumePath}/root`, volumePath, volume: "volume/a" },
    });
  });

  it("is made empty on a directory, where only the files can tell what they share", () => {
    expect(both("backend: directory")).toEqual({ means: undefined, of: undefined, dependsOn: [], comes: undefined });
  });

  it("is made empty where it, or its origin's volume, holds another root, or in another folder", () => {
    const other = (volume: string, path: string): Files => ({
      "roots/c.yaml": `${head("Root", "c")}  volume: ${volume}\n  path: ${path}\n  source: {mmdebstrap: {suite: s}}\n`,
    });
    const moved = `${head("Root", "b")}  volume: b\n  path: elsewhere\n  source: {clone: {root: a}}\n`;
    expect(both("backend: btrfs", other("a", "c")).means).toBeUndefined();
    expect(both("backend: btrfs", other("b", "c")).means).toBeUndefined();
    expect(both("backend: btrfs", { "roots/b.yaml": moved }).means).toBeUndefined();
  });

  it("is copied file by file, sharing blocks, within one filesystem", () => {
    const other: Files = {
      "roots/c.yaml": `${head("Root", "c")}  volume: b\n  path: c\n  source: {mmdebstrap: {suite: s}}\n`,
    };
    // Volumes of btrfs are parts of one filesystem as often as not: the copy itself tells.
    expect(both("backend: btrfs", other).comes).toBeUndefined();
    const beside = `${head("Root", "b")}  volume: a\n  path: b\n  source: {clone: {root: a}}\n`;
    expect(both("backend: zfs\n  dataset: tank/N", { "roots/b.yaml": beside }).comes).toBeUndefined();
    expect(both("backend: zfs\n  dataset: tank/N", other).comes).toBe("plain copy");
  });

  it("leaves every other root's source as it is", () => {
    const files = {
      "v.yaml": `${head("Volume", "v")}  backend: zfs\n  dataset: tank/v\n`,
      "r.yaml": `${head("Root", "r")}  volume: v\n  source: {existing: {}}\n`,
    };
    expect((resourcesOf(files).get("tree/r") as TreeResource).source).toStrictEqual({ type: "existing" });
  });
});
