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
const mount = { id: "mount/r:/x", kind: "mount", options: [] };

function digestOf(...resources: readonly object[]): string | undefined {
  return declarationDigest({ resources: resources as unknown as Resource[], policy }, "artifact/a", (text) => text);
}
const first = digestOf(image, tree, live, mount);

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
  ])("is another with %s", (_what, resources) => expect(digestOf(...resources)).not.toBe(first));

  it.each<[string, readonly object[]]>([
    ["another number of generations", [{ ...image, generations: 1, pinned: ["x"] }, tree, live, mount]],
    [
      "another policy of packing and deleting",
      [{ ...image, packPolicy: "onApprove", onDelete: "destroy" }, tree, live, mount],
    ],
    ["another place in its file", [{ ...image, origin: { line: 7 } }, { ...tree, origin: { line: 9 } }, live, mount]],
    ["another copy of the same content", [{ ...image, overlays: [{ ...overlay, entries: [] }] }, tree, live, mount]],
    ["a root that it does not use", [image, tree, live, mount, { ...tree, id: "tree/s" }]],
  ])("is the same with %s", (_what, resources) => expect(digestOf(...resources)).toBe(first));

  it("is nothing for what is not declared, or no image", () => {
    expect(digestOf(tree)).toBeUndefined();
    expect(declarationDigest({ resources: [tree as never], policy }, "tree/r", (text) => text)).toBeUndefined();
  });
});
