import { describe, expect, it } from "vitest";
import { declarationDigest } from "../../src/core/declared.ts";
import type { DesiredGraph, Resource } from "../../src/core/resource.ts";

const policy = {} as DesiredGraph["policy"];
const overlay = { name: "common", digest: "o1", entries: [{ content: "/cache/1" }] };
const image = {
  ...{ id: "artifact/a", kind: "artifact", dependsOn: ["tree/r", "overlay/live@r", "mount/r:/x"], origin: { line: 1 } },
  ...{ format: "initramfs", file: "f", base: { type: "tree" }, overlays: [overlay], nodes: [], excludes: ["a"] },
  ...{ init: "/init", compression: { codec: "gzip", level: 5 }, sourceDate_s: 0, target: undefined },
  ...{ generations: 3, packPolicy: "onChange", onDelete: "retain", protect: false },
};
const tree = {
  id: "tree/r",
  kind: "tree",
  source: { type: "clone", path: "/x" },
  content: "live",
  origin: { line: 1 },
};
const live = { id: "overlay/live@r", kind: "overlay", overlay: { digest: "l1" } };
const steps = { id: "provision/r", kind: "provision", steps: [{ name: "a", key: "k1" }] };
const kernel = {
  ...{ id: "kernel/k", kind: "kernel", source: { type: "package", name: "linux-source" }, patches: [{ sha256: "p1" }] },
  ...{ config: { sha256: "c1", path: "k.kconfig" }, added: {}, required: {}, sourceDate_s: 0, jobs: 2, generations: 3 },
};
const mount = { id: "mount/r:/x", kind: "mount", options: [] };

function digestOf(...resources: readonly object[]): string | undefined {
  return declarationDigest({ resources: resources as unknown as Resource[], policy }, "artifact/a", (text) => text);
}
const first = () => digestOf(image, tree, live, mount);

describe("what a commit says of an image", () => {
  it.each<[string, readonly object[]]>([
    ["a file of an overlay", [{ ...image, overlays: [{ ...overlay, digest: "o2" }] }, tree, live, mount]],
    ["its excludes", [{ ...image, excludes: ["b"] }, tree, live, mount]],
    ["its boot check", [{ ...image, bootCheck: { expect: "OK" } }, tree, live, mount]],
    ["how it comes with its kernel", [{ ...image, boot: { form: "uki" } }, tree, live, mount]],
    ["its kernel", [{ ...image, kernel: { type: "file", path: "/k" } }, tree, live, mount]],
    ["the source of its root", [image, { ...tree, source: { type: "existing" } }, live, mount]],
    ["an overlay that is laid into its root", [image, tree, { ...live, overlay: { digest: "l2" } }, mount]],
    ["a mount that goes", [{ ...image, dependsOn: ["tree/r", "overlay/live@r"] }, tree, live]],
    [
      "a mount in place of another",
      [{ ...image, dependsOn: ["tree/r", "overlay/live@r", "mount/r:/y"] }, tree, live, { ...mount, id: "mount/r:/y" }],
    ],
    ["a node of its own", [{ ...image, nodes: [{ path: "dev/null" }] }, tree, live, mount]],
  ])("is another with %s", (_what, resources) => expect(digestOf(...resources)).not.toBe(first()));

  it.each<[string, readonly object[]]>([
    ["another number of generations", [{ ...image, generations: 1, pinned: ["x"] }, tree, live, mount]],
    [
      "another policy of packing and deleting",
      [{ ...image, packPolicy: "onApprove", onDelete: "destroy" }, tree, live, mount],
    ],
    ["another place in its file", [{ ...image, origin: { line: 7 } }, { ...tree, origin: { line: 9 } }, live, mount]],
    ["another copy of the same content", [{ ...image, overlays: [{ ...overlay, entries: [] }] }, tree, live, mount]],
    ["another place in the graph", [tree, live, mount, image]],
    ["a root that it does not use", [image, tree, live, mount, { ...tree, id: "tree/s" }]],
  ])("is the same with %s", (_what, resources) => expect(digestOf(...resources)).toBe(first()));

  it("is the same with another copy of a node's content, and another with the node's owner", () => {
    const withNode = (more: object) =>
      digestOf({ ...image, nodes: [{ path: "dev/null", ...more }] }, tree, live, mount);
    expect(withNode({ content: "/cache/1" })).toBe(withNode({ content: "/cache/2" }));
    expect(withNode({ owner: 0 })).not.toBe(withNode({ owner: 1 }));
  });

  const above = { ...image, dependsOn: ["tree/r", "provision/r", "kernel/k"] };
  const built = () => digestOf(above, tree, steps, kernel);

  it.each<[string, object]>([
    ["its source", { source: { type: "directory", path: "/srv/linux" } }],
    ["a patch", { patches: [{ sha256: "p2" }] }],
    ["its configuration", { config: { sha256: "c2", path: "k.kconfig" } }],
    ["a symbol that is added", { added: { EXT4_FS: "y" } }],
    ["a symbol that must hold", { required: { EXT4_FS: "y" } }],
    ["its architecture", { architecture: "arm64" }],
    ["the triplet of its compiler", { triplet: "aarch64-linux-gnu" }],
    ["the prefix of its tools", { crossPrefix: "aarch64-none-" }],
    ["the image in it", { initramfs: { artifact: "artifact/b" } }],
    ["the root that builds it", { buildIn: { tree: "tree/b" } }],
    ["its modules", { modules: { strip: true } }],
    ["its boot check", { bootCheck: { expect: "UP" } }],
    ["its date", { sourceDate_s: 1 }],
  ])("is another with %s of a kernel that is built for it", (_what, more) =>
    expect(digestOf(above, tree, steps, { ...kernel, ...more })).not.toBe(built()),
  );

  it("is another with a step of its root, and the same with one that is only called differently", () => {
    const changed = (step: object) => digestOf(above, tree, { ...steps, steps: [step] }, kernel);
    expect(changed({ name: "a", key: "k2" })).not.toBe(built());
    expect(changed({ name: "b", key: "k1", timeout_s: 9 })).toBe(built());
  });

  it("is the same with another way of making the same kernel", () => {
    const config = { ...kernel.config, path: "moved.kconfig" };
    expect(digestOf(above, tree, steps, { ...kernel, config, jobs: 8, generations: 1 })).toBe(built());
  });

  it("is nothing for what is not declared, or no image", () => {
    expect(digestOf(tree)).toBeUndefined();
    expect(declarationDigest({ resources: [tree as never], policy }, "tree/r", (text) => text)).toBeUndefined();
  });
});
