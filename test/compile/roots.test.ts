import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import type { MountResource, TreeResource } from "../../src/core/resource.ts";
import { type Files, head, inputOf, problemsOf, resourcesOf } from "./written.ts";

const hash = "a".repeat(64);
const volumes: Files = {
  "v.yaml": `${head("Volume", "v")}  backend: directory\n  path: /srv/v\n`,
  "cache.yaml": `${head("Volume", "cache")}  backend: directory\n  path: /srv/cache\n`,
};
const root = (spec: string): Files => ({ ...volumes, "r.yaml": `${head("Root", "r")}${spec}` });
const tree = (spec: string): TreeResource => resourcesOf(root(spec)).get("tree/r") as TreeResource;
const mounts = (...specs: readonly string[]): readonly MountResource[] => {
  const list = specs.map((spec) => `    - {${spec}}\n`).join("");
  const files = root(`  volume: v\n  source: {existing: {}}\n  mounts:\n${list}`);
  return [...resourcesOf(files).values()].filter((resource) => resource.kind === "mount");
};

describe("a root", () => {
  it("stands in its volume's folder `root`, unless it names another, or exists", () => {
    expect(tree("  volume: v\n  source: {mmdebstrap: {suite: s}}\n").path).toBe("/srv/v/root");
    expect(tree("  volume: v\n  path: deep/er\n  source: {mmdebstrap: {suite: s}}\n").path).toBe("/srv/v/deep/er");
    expect(tree("  volume: v\n  source: {existing: {}}\n").path).toBe("/srv/v");
    expect(tree("  volume: v\n  path: old\n  source: {existing: {}}\n").path).toBe("/srv/v/old");
  });

  it("has the life, content and drift policy that it declares", () => {
    const spec = "  volume: v\n  source: {existing: {}}\n";
    const declared = `${spec}  protect: true\n  onDelete: destroy\n  content: managed\n  drift: {policy: report}\n`;
    expect(tree(declared)).toMatchObject({
      ...{ protect: true, onDelete: "destroy", content: "managed", driftPolicy: "report" },
    });
    expect(tree(spec)).toMatchObject({ protect: false, onDelete: "retain", content: "live", driftPolicy: "correct" });
  });

  it("of a tarball names it by its absolute path, from the documents' folder", () => {
    const source = (path: string) =>
      tree(`  volume: v\n  source: {tarball: {path: ${path}, sha256: ${hash}, sourceDate: 60}}\n`).source;
    expect(source("../x.tar")).toMatchObject({
      ...{ type: "tarball", location: "/srv/config/x.tar", sha256: hash, sourceDate_s: 60 },
    });
    expect(source("/media/x.tar")).toMatchObject({ location: "/media/x.tar" });
  });

  it("of a tarball without a date has the epoch's", () => {
    const spec = `  volume: v\n  source: {tarball: {path: x.tar, sha256: ${hash}}}\n`;
    expect(tree(spec).source).toMatchObject({ sourceDate_s: 0 });
  });

  it("of a tarball in a bare repository needs its absolute path, and the place is named", () => {
    const bare = (path: string) => {
      const files = root(`  volume: v\n  source: {tarball: {path: ${path}, sha256: ${hash}}}\n`);
      return compile({ ...inputOf(files), baseDirectory: undefined });
    };
    expect(bare("x.tar").problems).toEqual([
      {
        ...{ file: "desired/r.yaml", line: 7, column: 28 },
        message: "cannot find the tarball `x.tar`: the documents come from no checkout",
        hint: "write its absolute path",
      },
    ]);
    const { graph, problems } = bare("/media/x.tar");
    expect(problems).toEqual([]);
    expect(graph.resources.find(({ id }) => id === "tree/r")).toMatchObject({ source: { location: "/media/x.tar" } });
  });

  it("of mmdebstrap has all that was written, its packages sorted", () => {
    const written = "suite: trixie, variant: apt, include: [vim, curl], architecture: arm64, mirror: file:///m";
    expect(
      tree(`  volume: v\n  source: {mmdebstrap: {${written}, components: [main, contrib]}}\n`).source,
    ).toMatchObject({
      ...{ type: "mmdebstrap", suite: "trixie", variant: "apt", include: ["curl", "vim"], architecture: "arm64" },
      ...{ mirror: "file:///m", components: ["main", "contrib"] },
    });
    expect(tree("  volume: v\n  source: {mmdebstrap: {suite: trixie}}\n").source).toMatchObject({
      ...{ variant: "minbase", include: [], architecture: undefined, mirror: undefined, components: ["main"] },
    });
  });

  it("keeps snapshots of the changes that it names, five unless it says otherwise", () => {
    const spec = "  volume: v\n  source: {existing: {}}\n";
    expect(tree(spec).snapshots).toBeUndefined();
    expect(tree(`${spec}  snapshots: {before: [replace]}\n`).snapshots).toEqual({ before: ["replace"], keep: 5 });
    const declared = tree(`${spec}  snapshots: {before: [provision, restore], keep: 1}\n`);
    expect(declared.snapshots).toEqual({ before: ["provision", "restore"], keep: 1 });
  });

  it("brings its links, which depend on it", () => {
    const resources = resourcesOf(root("  volume: v\n  source: {existing: {}}\n  links: [{path: /r, to: /srv/v}]\n"));
    expect(resources.get("link/r:/r")).toMatchObject({ dependsOn: ["tree/r"], path: "/r", target: "/srv/v" });
  });
});

describe("the lowest layer of an image", () => {
  const base = (spec: string): unknown => {
    const files = { ...root(spec), "i.yaml": `${head("Image", "i")}  root: r\n  common: false\n` };
    return (resourcesOf(files).get("artifact/i") as { base?: unknown } | undefined)?.base;
  };
  const place = { type: "tree", tree: "tree/r", path: "/srv/v/root", volumePath: "/srv/v" };

  it("has the date of its tarball, of its release, or the times of an existing root's files", () => {
    const tarball = `tarball: {path: /x.tar, sha256: ${hash}, sourceDate: 60}`;
    expect(base(`  volume: v\n  source: {${tarball}}\n`)).toEqual({ ...place, sourceDate_s: 60, content: "managed" });
    expect(base("  volume: v\n  source: {mmdebstrap: {suite: s}}\n")).toEqual({
      ...{ ...place, sourceDate_s: "release", content: "managed" },
    });
    expect(base("  volume: v\n  source: {existing: {}}\n")).toEqual({
      ...{ ...place, path: "/srv/v", sourceDate_s: undefined, content: "live" },
    });
    const packed = { type: "tarball", location: "/x.tar", sha256: hash, sourceDate_s: 60 };
    expect(base(`  source: {${tarball}}\n`)).toEqual(packed);
    const bounded = tarball.replace("sourceDate", "maxSize: 1GiB, sourceDate");
    expect(base(`  source: {${bounded}}\n`)).toEqual({ ...packed, maxSize_bytes: 1024 ** 3 });
  });
});

describe("a mount in a root", () => {
  it("is private to each step, of its own type, and depends on its root, unless it says otherwise", () => {
    const [mount] = mounts("target: /proc, type: proc");
    expect(mount).toEqual({
      ...{ id: "mount/r:/proc", kind: "mount", name: "r:/proc", identity: "mount:/srv/v/proc", dependsOn: ["tree/r"] },
      origin: { document: "Root/r", file: "desired/r.yaml", line: 9, column: 7 },
      ...{ protect: false, onDelete: "destroy", target: "/srv/v/proc", within: "/srv/v", type: "proc" },
      ...{ source: "proc", options: [], propagation: undefined, namespace: "private", tree: "tree/r" },
    });
  });

  it("binds a path of the host or a volume, which it depends on", () => {
    const [a, b, c, d] = mounts(
      "target: /a, type: bind, source: /media/src, options: [ro], propagation: shared, namespace: host",
      "target: /b, type: bind, volume: cache",
      "target: /c, type: rbind, source: /dev",
      "target: /d, type: rbind, volume: cache",
    );
    expect(a).toMatchObject({ source: "/media/src", options: ["ro"], propagation: "shared", namespace: "host" });
    expect(b).toMatchObject({ source: "/srv/cache", dependsOn: ["tree/r", "volume/cache"] });
    expect(c).toMatchObject({ source: "/dev", dependsOn: ["tree/r"] });
    expect(d).toMatchObject({ source: "/srv/cache" });
    const [top] = mounts("target: /host, type: rbind, source: /");
    expect(top).toMatchObject({ source: "/", dependsOn: ["tree/r"] });
  });

  it("binds a folder of a volume, made with the owner and mode that it declares", () => {
    const [plain, own] = mounts(
      "target: /a, type: bind, volume: cache, subdirectory: distfiles/x",
      'target: /b, type: bind, volume: cache, subdirectory: pkgs, owner: "250:portage", mode: "2775"',
    );
    const volume = { id: "volume/cache", path: "/srv/cache" };
    const folder = { path: "distfiles/x", ownership: undefined, mode: undefined };
    expect(plain).toMatchObject({ source: "/srv/cache/distfiles/x", volume, folder });
    expect(plain?.dependsOn).toEqual(["tree/r", "volume/cache"]);
    expect(own?.folder).toEqual({ path: "pkgs", ownership: { owner: 250, group: "portage" }, mode: 0o2775 });
  });

  it("mounts an image's file, or binds its directory, by way of the newest generation", () => {
    const image = `${head("Image", "i")}  root: w\n  format: squashfs\n`;
    const work = { "i.yaml": image, "w.yaml": `${head("Root", "w")}  volume: w\n  source: {existing: {}}\n` };
    const files = { ...work, "wv.yaml": `${head("Volume", "w")}  backend: directory\n  path: /srv/w\n` };
    const spec = `  volume: v\n  source: {existing: {}}\n  mounts:\n`;
    const list =
      "    - {target: /a, type: squashfs, image: i, options: [exec]}\n    - {target: /b, type: bind, image: i}\n";
    const made = resourcesOf({ ...root(`${spec}${list}`), ...files });
    expect(made.get("mount/r:/a")).toMatchObject({
      source: "/state/artifacts/i/current/root.squashfs",
      options: ["ro", "nodev", "nosuid", "exec"],
      ...{ artifact: "artifact/i", dependsOn: ["artifact/i", "tree/r"] },
    });
    expect(made.get("mount/r:/b")).toMatchObject({ source: "/state/artifacts/i/current", options: [] });
  });

  it.each([
    ["nothing", ["ro", "nodev", "noexec", "nosuid"]],
    ["dev", ["ro", "noexec", "nosuid", "dev"]],
    ["exec", ["ro", "nodev", "nosuid", "exec"]],
    ["suid", ["ro", "nodev", "noexec", "suid"]],
    ["noatime", ["ro", "nodev", "noexec", "nosuid", "noatime"]],
    ["nodev", ["ro", "nodev", "noexec", "nosuid"]],
  ])("mounts an image so that nothing in it gives rights, and with %s as it says", (option, options) => {
    const files = root(
      `  volume: v\n  source: {existing: {}}\n  mounts: [{target: /a, type: erofs, image: i${option === "nothing" ? "" : `, options: [${option}]`}}]\n`,
    );
    const work = {
      "i.yaml": `${head("Image", "i")}  root: w\n  format: erofs\n`,
      "w.yaml": `${head("Root", "w")}  volume: cache\n  source: {existing: {}}\n`,
    };
    expect(resourcesOf({ ...files, ...work }).get("mount/r:/a")).toMatchObject({
      ...{ options, source: "/state/artifacts/i/current/root.erofs" },
    });
  });

  it("depends on the mounts above it that it can see, in whatever order they are written", () => {
    const made = mounts(
      "target: /a/b/c, type: tmpfs, namespace: host",
      "target: /a/b/c/d, type: tmpfs",
      "target: /a, type: tmpfs, namespace: host",
      "target: /a/b, type: tmpfs",
      "target: /ab, type: tmpfs",
    );
    expect(made.map(({ name, dependsOn, above }) => [name, dependsOn.join(" "), above?.map((it) => it.name)])).toEqual([
      ["r:/a", "tree/r", undefined],
      ["r:/a/b", "mount/r:/a tree/r", undefined],
      // What stands in the host's namespace sees no private mount.
      ["r:/a/b/c", "mount/r:/a tree/r", undefined],
      ["r:/a/b/c/d", "mount/r:/a mount/r:/a/b mount/r:/a/b/c tree/r", ["r:/a/b"]],
      ["r:/ab", "tree/r", undefined],
    ]);
  });

  it("carries the private ones above it without theirs", () => {
    const made = mounts("target: /a, type: tmpfs", "target: /a/b, type: tmpfs", "target: /a/b/c, type: tmpfs");
    expect(made[2]?.above?.map((mount) => Object.hasOwn(mount, "above"))).toEqual([false, false]);
  });
});

it("a target that a volume also has is refused", () => {
  const spec = "  volume: v\n  source: {existing: {}}\n  mounts:\n    - {target: /x, type: tmpfs}\n";
  const twice = { ...root(spec), "x.yaml": `${head("Volume", "x")}  backend: directory\n  path: /srv/v/x\n` };
  expect(problemsOf(twice).map(([message]) => message)).toContain(
    "desired/r.yaml:9:7: cannot give /srv/v/x to mount/r:/x: volume/x has it, declared at desired/x.yaml:1:1",
  );
});
