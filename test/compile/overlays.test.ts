import { describe, expect, it } from "vitest";
import { laidPathsOf } from "../../src/compile/overlays.ts";
import type { ArtifactResource, OverlayResource, OverlayTree } from "../../src/core/resource.ts";
import { type Files, head, overlayYaml, problemsOf, resourcesOf } from "./written.ts";

const FILES: Files = {
  "v.yaml": `${head("Volume", "v")}  backend: directory\n  path: /srv/v\n`,
  "r.yaml": `${head("Root", "r")}  volume: v\n  source: {mmdebstrap: {suite: s}}\n`,
  "i.yaml": `${head("Image", "i")}  root: r\n`,
};
const files = (content: Files, spec?: string): Files => ({
  ...FILES,
  ...Object.fromEntries(Object.entries(content).map(([path, written]) => [`overlays/common/${path}`, written])),
  ...(spec === undefined ? {} : { "overlays/common/overlay.yaml": overlayYaml(spec) }),
});
const overlay = (content: Files, spec?: string): OverlayTree =>
  (resourcesOf(files(content, spec)).get("artifact/i") as ArtifactResource).overlays[0]!;
const shown = (content: Files, spec?: string): readonly string[] =>
  overlay(content, spec).entries.map(({ path, type, mode, owner, group, explicit }) =>
    [path, type, mode.toString(8), `${owner}:${group}`, ...(explicit ? [] : ["implicit"])].join(" "),
  );

describe("an entry of an overlay", () => {
  it("has the owner and the mode that it declares, else root's and the usual ones", () => {
    const spec = `  directories: [{path: a, owner: "7:users"}, {path: b, mode: "0700"}, {path: c}]
  nodes: [{path: d, type: block, major: 8, minor: 1, owner: "root:disk"}, {path: e, type: fifo, mode: "0622"}]\n`;
    expect(shown({}, spec)).toEqual([
      ...["a directory 755 7:users", "b directory 700 0:0", "c directory 755 0:0"],
      ...["d block 600 root:disk", "e fifo 622 0:0"],
    ]);
    expect(overlay({}, spec).entries.map(({ major, minor }) => [major, minor])).toEqual([
      ...[
        [0, 0],
        [0, 0],
        [0, 0],
      ],
      ...[
        [8, 1],
        [0, 0],
      ],
    ]);
  });

  it("of git holds its content or its target, and nothing else", () => {
    const entries = overlay({ run: { text: "abc", executable: true }, link: { link: "../run" } }).entries;
    expect(entries).toMatchObject([
      { path: "link", mode: 0o777, size: 6, sha256: "", target: "../run", content: "" },
      { path: "run", mode: 0o755, size: 3, target: "", content: "/cache/blobs/overlays/common/run" },
    ]);
  });

  it("takes owner and mode from different rules, the first that says either", () => {
    const spec = `  rules:
    - {path: etc/a, owner: "1:1"}
    - {path: etc/a, mode: "0640"}
    - {path: etc/a, owner: "2:2", mode: "0600"}
    - {path: "etc/*", owner: "3:3"}\n`;
    expect(shown({ "etc/a": "x", "etc/b": "x" }, spec)).toEqual([
      ...["etc directory 755 0:0 implicit", "etc/a file 640 1:1", "etc/b file 644 3:3"],
    ]);
    const modeFirst = `  rules: [{path: a, mode: "0640"}, {path: a, owner: "7:7"}]\n`;
    expect(shown({ a: "x" }, modeFirst)).toEqual(["a file 640 7:7"]);
  });

  it("lies below each of its parents, however many there are", () => {
    expect(shown({ "a/b/c/d": "x" })).toEqual([
      ...["a directory 755 0:0 implicit", "a/b directory 755 0:0 implicit"],
      ...["a/b/c directory 755 0:0 implicit", "a/b/c/d file 644 0:0"],
    ]);
  });

  it("that is a link keeps the one mode that links have", () => {
    const spec = `  rules: [{path: link, mode: "0600", owner: "7:7"}]\n`;
    expect(shown({ link: { link: "x" } }, spec)).toEqual(["link symlink 777 7:7"]);
  });

  it("that is a directory takes a mode from a literal rule only, which makes it explicit", () => {
    const files = { "etc/ssl/key": "x" };
    expect(shown(files, `  rules: [{path: "**", mode: "0600"}]\n`)).toEqual([
      ...["etc directory 755 0:0 implicit", "etc/ssl directory 755 0:0 implicit", "etc/ssl/key file 600 0:0"],
    ]);
    expect(shown(files, `  rules: [{path: "etc/*", mode: "0600"}, {path: etc/ssl, mode: "0700"}]\n`)).toEqual([
      ...["etc directory 755 0:0 implicit", "etc/ssl directory 700 0:0", "etc/ssl/key file 644 0:0"],
    ]);
  });
});

describe("an overlay", () => {
  it("has the date, order and deletions that it declares, each path once and sorted", () => {
    const spec = "  order: 99\n  sourceDate: 1970-01-02\n  delete: [z, a/b, z]\n";
    expect(overlay({ x: "x" }, spec)).toMatchObject({ order: 99, sourceDate_s: 86_400, deletions: ["a/b", "z"] });
    expect(overlay({ x: "x" })).toMatchObject({ order: 10, sourceDate_s: 0, deletions: [], secret: false });
  });

  it("of secrets says so", () => {
    const image = { "i.yaml": `${head("Image", "i")}  root: r\n  common: false\n  overlays: [secret-sauce/s]\n` };
    const resources = resourcesOf({ ...FILES, ...image, "overlays/secret-sauce/s/k": "k" });
    expect((resources.get("artifact/i") as ArtifactResource).overlays).toMatchObject([{ order: 30, secret: true }]);
  });

  const notes = "cannot lay overlay common: `.rootloom` at the top of a tree holds Rootloom's own notes";

  it.each([
    ["a file of that name", { ".rootloom": "x" }, ""],
    ["a file below it", { ".rootloom/a/b": "x" }, ""],
    ["a deletion of it", {}, "  delete: [.rootloom]\n"],
    ["a deletion below it", {}, "  delete: [.rootloom/volume.json]\n"],
  ])("never touches Rootloom's own notes at the top of a tree: %s", (_what, content, spec) => {
    expect(problemsOf(files(content, `  order: 1\n${spec}`))).toEqual([
      [`desired/overlays/common/overlay.yaml:1:1: ${notes}`, "take that path out of the overlay"],
    ]);
  });

  it("may have what is only called alike", () => {
    expect(problemsOf(files({ "home/.rootloom/x": "x", ".rootloomrc": "x" }, "  delete: [etc/.rootloom]\n"))).toEqual(
      [],
    );
  });

  it("says where one path stands twice, and where a rule or a parent is wrong, with what to do", () => {
    const spec = `  rules: [{path: nowhere, mode: "0600"}]
  directories: [{path: a}, {path: a}]
  nodes: [{path: f/x/y, type: fifo}]\n`;
    const at = (position: string, message: string) => `desired/overlays/common/overlay.yaml:${position}: ${message}`;
    expect(problemsOf(files({ f: "x" }, spec))).toEqual([
      [
        at("4:18", "cannot use the rule for `nowhere`: it matches nothing in overlay common"),
        "correct the path, or remove the rule",
      ],
      [
        at("5:28", "cannot make the directory `a`: a directory of that path stands in the overlay"),
        "keep one of the two",
      ],
      [
        at("6:11", "cannot make `f/x/y`: `f` is a file in the same overlay"),
        "make it a directory, or move what is below it",
      ],
    ]);
  });
});

describe("an overlay that is copied into roots", () => {
  it("is one resource for each, with the life that it declares", () => {
    const second = { "w.yaml": `${head("Volume", "w")}  backend: directory\n  path: /srv/w\n` };
    const root = { "q.yaml": `${head("Root", "q")}  volume: w\n  source: {existing: {}}\n` };
    const spec = "  into: root\n  roots: [r, q]\n  protect: true\n  onDelete: destroy\n  drift: {policy: report}\n";
    const resources = resourcesOf({ ...files({ x: "x" }, spec), ...second, ...root });
    const laid = [...resources.values()].filter((it): it is OverlayResource => it.kind === "overlay");
    const shared = {
      ...{ kind: "overlay", protect: true, onDelete: "destroy", driftPolicy: "report", overlay: laid[0]?.overlay },
      origin: { document: "Overlay/common", file: "desired/overlays/common/overlay.yaml", line: 1, column: 1 },
    };
    expect(laid).toEqual([
      {
        ...{ ...shared, id: "overlay/common@q", name: "common@q", identity: "overlay:common@/srv/w" },
        ...{ dependsOn: ["tree/q"], tree: "tree/q", treePath: "/srv/w", volumePath: "/srv/w" },
      },
      {
        ...{ ...shared, id: "overlay/common@r", name: "common@r", identity: "overlay:common@/srv/v/root" },
        ...{ dependsOn: ["tree/r"], tree: "tree/r", treePath: "/srv/v/root", volumePath: "/srv/v" },
      },
    ]);
  });

  it("is retained, unprotected and corrected unless it or the host says otherwise", () => {
    const resources = resourcesOf(files({ x: "x" }, "  into: root\n  roots: [r]\n"));
    expect(resources.get("overlay/common@r")).toMatchObject({
      ...{ protect: false, onDelete: "retain", driftPolicy: "correct" },
    });
    const host = { "host.yaml": `${head("Host", "h")}  drift: {policy: report}\n` };
    const reported = resourcesOf({ ...files({ x: "x" }, "  into: root\n  roots: [r]\n"), ...host });
    expect(reported.get("overlay/common@r")).toMatchObject({ driftPolicy: "report" });
  });

  it("is not copied into a root that is only packed", () => {
    const root = `${head("Root", "r")}  source: {tarball: {path: /x.tar, sha256: ${"a".repeat(64)}}}\n`;
    const tree = { ...files({ x: "x" }, "  order: 1\n"), "r.yaml": root };
    expect([...resourcesOf(tree).keys()]).toEqual(["volume/v", "artifact/i"]);
  });

  it("keeps what it lays and removes out of its root's drift, and directories only themselves", () => {
    const tree = overlay({ "a/b": "x", c: { link: "x" } }, "  delete: [d]\n");
    expect(laidPathsOf(tree)).toEqual(["a/", "a/b", "c", "d"]);
  });
});
