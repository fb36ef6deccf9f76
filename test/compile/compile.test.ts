import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import { findCycle } from "../../src/compile/conflicts.ts";
import { DEFAULT_EXCLUDES } from "../../src/compile/images.ts";
import type { ArtifactResource, OverlayResource, Resource, TreeResource } from "../../src/core/resource.ts";
import { loadDocuments } from "../../src/documents/load.ts";
import { sha256, snapshotOf, type Written } from "../documents/snapshot.ts";

type Files = Readonly<Record<string, Written>>;
const head = (kind: string, name: string): string =>
  `apiVersion: rootloom/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec:\n`;
const overlayYaml = (spec: string): string => `apiVersion: rootloom/v1\nkind: Overlay\nspec:\n${spec}`;

function compileFiles(files: Files): ReturnType<typeof compile> {
  const loaded = loadDocuments(snapshotOf(files));
  expect(loaded.problems).toEqual([]);
  const defaults = { jobs: 2, memory_bytes: 1024 };
  return compile({ ...loaded, state: "/state", baseDirectory: "/srv/config/desired", defaults, digest: sha256 });
}

function resourcesOf(files: Files): readonly Resource[] {
  const { graph, problems } = compileFiles(files);
  expect(problems).toEqual([]);
  return graph.resources;
}

const messagesOf = (files: Files): readonly string[] =>
  compileFiles(files).problems.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`);

const SMALL: Files = {
  "volumes/a.yaml": `${head("Volume", "a")}  backend: directory\n`,
  "volumes/cache.yaml": `${head("Volume", "cache")}  backend: directory\n  path: /srv/cache\n  owner: "0:root"\n  mode: "0700"\n`,
  "roots/a.yaml": `${head("Root", "a")}  volume: a
  source: {mmdebstrap: {suite: bookworm, include: [vim, curl]}}
  mounts:
    - {target: /var/cache/apt, type: bind, volume: cache, options: [ro]}
    - {target: /var, type: tmpfs, namespace: host}
`,
  "images/a.yaml": `${head("Image", "a")}  root: a\n  overlays: [hardware/qemu]\n`,
  "overlays/common/init": { text: "#!/bin/sh\n", executable: true },
  "overlays/hardware/qemu/etc/hardware": "qemu\n",
};

describe("a small tree", () => {
  it("compiles to this graph, parents first", () => {
    const at = (document: string, file: string, line: number, column: number): object => ({
      origin: { document, file: `desired/${file}`, line, column },
      protect: false,
    });
    const nothing = { size: 0, sha256: "", target: "", major: 0, minor: 0, content: "", owner: 0, group: 0 };
    const resources = resourcesOf(SMALL);
    const overlays = (resources.at(-1) as ArtifactResource).overlays;
    expect(resources).toEqual([
      {
        ...at("Volume/a", "volumes/a.yaml", 1, 1),
        ...{ id: "volume/a", kind: "volume", name: "a", identity: "path:/state/volumes/a", dependsOn: [] },
        ...{ onDelete: "retain", backend: "directory", path: "/state/volumes/a", device: "", size_bytes: undefined },
        ...{
          filesystem: undefined,
          label: undefined,
          mountOptions: [],
          ownership: { owner: 0, group: 0 },
          mode: 0o755,
        },
      },
      {
        ...at("Volume/cache", "volumes/cache.yaml", 1, 1),
        ...{ id: "volume/cache", kind: "volume", name: "cache", identity: "path:/srv/cache", dependsOn: [] },
        ...{ onDelete: "retain", backend: "directory", path: "/srv/cache", device: "", size_bytes: undefined },
        ...{ filesystem: undefined, label: undefined, mountOptions: [], mode: 0o700 },
        ownership: { owner: 0, group: "root" },
      },
      {
        ...at("Root/a", "roots/a.yaml", 1, 1),
        ...{ id: "tree/a", kind: "tree", name: "a", identity: "tree:/state/volumes/a/root", dependsOn: ["volume/a"] },
        ...{ onDelete: "retain", volume: "volume/a", volumePath: "/state/volumes/a", path: "/state/volumes/a/root" },
        source: {
          ...{ type: "mmdebstrap", suite: "bookworm", variant: "minbase", include: ["curl", "vim"] },
          ...{ architecture: undefined, mirror: undefined, components: ["main"] },
        },
        ...{ content: "managed", driftPolicy: "correct", laidPaths: [] },
      },
      {
        ...at("Root/a", "roots/a.yaml", 10, 7),
        ...{ id: "mount/a:/var", kind: "mount", name: "a:/var", identity: "mount:/state/volumes/a/root/var" },
        ...{ dependsOn: ["tree/a"], onDelete: "destroy", target: "/state/volumes/a/root/var" },
        ...{ within: "/state/volumes/a/root", type: "tmpfs", source: "tmpfs", options: [], propagation: undefined },
        ...{ namespace: "host", tree: "tree/a" },
      },
      {
        ...at("Root/a", "roots/a.yaml", 9, 7),
        ...{ id: "mount/a:/var/cache/apt", kind: "mount", name: "a:/var/cache/apt" },
        identity: "mount:/state/volumes/a/root/var/cache/apt",
        ...{ dependsOn: ["mount/a:/var", "tree/a", "volume/cache"], onDelete: "destroy" },
        ...{ target: "/state/volumes/a/root/var/cache/apt", within: "/state/volumes/a/root", type: "bind" },
        ...{
          source: "/srv/cache",
          volume: { id: "volume/cache", path: "/srv/cache" },
          options: ["ro"],
          propagation: undefined,
          namespace: "private",
          tree: "tree/a",
        },
      },
      {
        ...at("Image/a", "images/a.yaml", 1, 1),
        ...{ id: "artifact/a", kind: "artifact", name: "a", identity: "path:/state/artifacts/a" },
        ...{
          dependsOn: ["mount/a:/var", "tree/a"],
          onDelete: "retain",
          format: "initramfs",
          path: "/state/artifacts/a",
        },
        file: "initramfs.cpio.gz",
        base: {
          ...{ type: "tree", tree: "tree/a", path: "/state/volumes/a/root", volumePath: "/state/volumes/a" },
          ...{ sourceDate_s: "release", content: "managed" },
        },
        overlays: [
          {
            ...{
              name: "common",
              order: 10,
              deletions: [],
              sourceDate_s: 0,
              digest: overlays[0]?.digest,
              secret: false,
            },
            entries: [
              {
                ...{ ...nothing, path: "init", type: "file", mode: 0o755, size: 10, sha256: sha256("#!/bin/sh\n") },
                ...{ content: "/cache/blobs/overlays/common/init", explicit: true },
              },
            ],
          },
          {
            ...{ name: "hardware/qemu", order: 20, deletions: [], sourceDate_s: 0, secret: false },
            digest: overlays[1]?.digest,
            entries: [
              { ...nothing, path: "etc", type: "directory", mode: 0o755, explicit: false },
              {
                ...{ ...nothing, path: "etc/hardware", type: "file", mode: 0o644, size: 5, sha256: sha256("qemu\n") },
                ...{ content: "/cache/blobs/overlays/hardware/qemu/etc/hardware", explicit: true },
              },
            ],
          },
        ],
        // What a mount of the host covers, whether it stands or not.
        excludes: [...DEFAULT_EXCLUDES, "var/*"],
        nodes: [
          { ...nothing, path: "dev", type: "directory", mode: 0o755, explicit: false },
          { ...nothing, path: "dev/console", type: "character", mode: 0o600, major: 5, minor: 1, explicit: true },
        ],
        ...{ init: "/init", compression: { codec: "gzip", level: 5 }, sourceDate_s: 0, packPolicy: "onChange" },
        ...{ generations: 3, target: undefined },
      },
    ]);
  });

  it("is the same list whatever the order of the files", () => {
    const reversed = Object.fromEntries(Object.entries(SMALL).reverse());
    expect(resourcesOf(reversed)).toEqual(resourcesOf(SMALL));
  });

  it("has the host's policy, or the defaults and what the machine has", () => {
    const defaults = { jobs: 2, memory_bytes: 1024, maxDeletions: 3, driftPolicy: "correct", generations: 3, runs: 50 };
    expect(compileFiles({}).graph).toEqual({ resources: [], policy: { ...defaults, offline: false, interval_s: 60 } });
    const spec =
      "  budget: {jobs: 4, memory: 1GiB}\n  interval: 5m\n  drift: {policy: report}\n  retention: {generations: 5}\n";
    const files = { ...SMALL, "host.yaml": `${head("Host", "h")}${spec}` };
    const { policy, resources } = compileFiles(files).graph;
    expect(policy).toMatchObject({ jobs: 4, memory_bytes: 1024 ** 3, interval_s: 300, generations: 5 });
    expect(resources.find(({ kind }) => kind === "tree")).toMatchObject({ driftPolicy: "report" });
    expect(resources.find(({ kind }) => kind === "artifact")).toMatchObject({ generations: 5 });
  });
});

describe("a root", () => {
  const root = (body: string): Files => ({ ...SMALL, "roots/a.yaml": `${head("Root", "a")}${body}` });
  const tree = (files: Files): TreeResource => resourcesOf(files).find(({ id }) => id === "tree/a") as TreeResource;
  const image = (files: Files): ArtifactResource =>
    resourcesOf(files).find(({ id }) => id === "artifact/a") as ArtifactResource;

  it("that exists is its volume's own top, live, and keeps its times", () => {
    const files = root("  volume: a\n  source: {existing: {}}\n");
    expect(tree(files)).toMatchObject({ path: "/state/volumes/a", content: "live", source: { type: "existing" } });
    expect(image(files).base).toMatchObject({ sourceDate_s: undefined, content: "live" });
  });

  it("of a tarball without a volume is no tree, only the layer of its images", () => {
    const hash = "a".repeat(64);
    const files = root(`  source: {tarball: {path: ../stage3.tar.xz, sha256: ${hash}, sourceDate: 1970-01-02}}\n`);
    expect(resourcesOf(files).map(({ id }) => id)).toEqual(["volume/a", "volume/cache", "artifact/a"]);
    expect(image(files)).toMatchObject({
      dependsOn: [],
      base: { type: "tarball", location: "/srv/config/stage3.tar.xz", sha256: hash, sourceDate_s: 86_400 },
    });
  });

  it("of a relative tarball needs a checkout", () => {
    const files = root(`  volume: a\n  source: {tarball: {path: x.tar, sha256: ${"a".repeat(64)}}}\n`);
    const loaded = loadDocuments(snapshotOf(files));
    const result = compile({ ...loaded, state: "/state", defaults: { jobs: 1, memory_bytes: 1 }, digest: sha256 });
    expect(result.problems.map(({ message }) => message)).toEqual([
      "cannot find the tarball `x.tar`: the documents come from no checkout",
    ]);
  });
});

describe("an overlay", () => {
  const RULES = `  order: 15
  sourceDate: 100
  rules:
    - {path: etc/shadow, mode: "0640", owner: "root:shadow"}
    - {path: "etc/**", mode: "0600"}
    - {path: home/user, owner: "1000:1000", mode: "0700"}
    - {path: "home/user/**", owner: "1000:1000"}
  directories:
    - {path: var/empty, mode: "0711"}
  nodes:
    - {path: dev/null, type: character, major: 1, minor: 3, mode: "0666"}
    - {path: run/pipe, type: fifo}
  delete: [usr/games, etc/old]
`;
  const files: Files = {
    ...SMALL,
    "overlays/common/overlay.yaml": overlayYaml(RULES),
    "overlays/common/etc/shadow": "x",
    "overlays/common/etc/ssl/key": "k",
    "overlays/common/home/user/bin/run": { text: "r", executable: true },
    "overlays/common/home/user/link": { link: "bin/run" },
  };
  const common = (given: Files) =>
    (resourcesOf(given).find(({ id }) => id === "artifact/a") as ArtifactResource).overlays.find(
      ({ name }) => name === "common",
    )!;

  it("is git's files with the rules applied: first match wins for each of owner and mode", () => {
    const { entries, ...rest } = common(files);
    expect(
      entries.map(({ path, type, mode, owner, group, explicit }) =>
        [path, type, mode.toString(8), `${owner}:${group}`, explicit ? "" : "implicit"].join(" ").trim(),
      ),
    ).toEqual([
      "dev directory 755 0:0 implicit",
      "dev/null character 666 0:0",
      "etc directory 755 0:0 implicit",
      "etc/shadow file 640 root:shadow",
      "etc/ssl directory 755 0:0 implicit",
      "etc/ssl/key file 600 0:0",
      "home directory 755 0:0 implicit",
      "home/user directory 700 1000:1000",
      "home/user/bin directory 755 1000:1000 implicit",
      "home/user/bin/run file 755 1000:1000",
      "home/user/link symlink 777 1000:1000",
      "init file 755 0:0",
      "run directory 755 0:0 implicit",
      "run/pipe fifo 600 0:0",
      "var directory 755 0:0 implicit",
      "var/empty directory 711 0:0",
    ]);
    expect(rest).toMatchObject({ order: 15, sourceDate_s: 100, deletions: ["etc/old", "usr/games"], secret: false });
  });

  it("has a digest that changes with anything but where its contents are cached", () => {
    const digest = common(files).digest;
    const elsewhere = loadDocuments(snapshotOf(files));
    const moved = elsewhere.overlays.map((overlay) => ({
      ...overlay,
      files: overlay.files.map((file) => ({ ...file, content: `/other/${file.path}` })),
    }));
    const input = {
      ...elsewhere,
      overlays: moved,
      state: "/state",
      defaults: { jobs: 1, memory_bytes: 1 },
      digest: sha256,
    };
    const artifact = compile(input).graph.resources.find(({ id }) => id === "artifact/a") as ArtifactResource;
    expect(artifact.overlays[0]?.digest).toBe(digest);
    const changed: Files[] = [
      { ...files, "overlays/common/etc/shadow": "y" },
      { ...files, "overlays/common/home/user/link": { link: "bin" } },
      { ...files, "overlays/common/overlay.yaml": overlayYaml(RULES.replace("0711", "0710")) },
      { ...files, "overlays/common/overlay.yaml": overlayYaml(RULES.replace("sourceDate: 100", "sourceDate: 101")) },
      { ...files, "overlays/common/overlay.yaml": overlayYaml(RULES.replace("usr/games, ", "")) },
    ];
    expect(new Set([digest, ...changed.map((other) => common(other).digest)]).size).toBe(6);
  });

  it("refuses a rule that matches nothing, one path twice, and a file above another", () => {
    const spec = `  rules: [{path: etc/shadwo, mode: "0600"}]\n  nodes: [{path: init, type: fifo}, {path: etc/shadow/x, type: fifo}]\n`;
    expect(messagesOf({ ...files, "overlays/common/overlay.yaml": overlayYaml(spec) })).toEqual([
      "desired/overlays/common/overlay.yaml:4:18: cannot use the rule for `etc/shadwo`: it matches nothing in overlay common",
      "desired/overlays/common/overlay.yaml:5:11: cannot make the fifo `init`: a file of that path stands in the overlay",
      "desired/overlays/common/overlay.yaml:5:37: cannot make `etc/shadow/x`: `etc/shadow` is a file in the same overlay",
    ]);
  });

  it("never touches the notes that Rootloom keeps at the top of a tree", () => {
    expect(messagesOf({ ...SMALL, "overlays/common/.rootloom/volume.json": "{}" })).toEqual([
      "desired/overlays/common:1:1: cannot lay overlay common: `.rootloom` at the top of a tree holds Rootloom's own notes",
    ]);
  });

  it("into a root is a resource of its own, no layer, and its paths are not the tree's drift", () => {
    const laid = {
      ...SMALL,
      "overlays/common/overlay.yaml": overlayYaml("  into: root\n  roots: [a]\n  delete: [etc/old]\n"),
      "overlays/common/etc/motd": "x",
    };
    const resources = resourcesOf(laid);
    const [overlay] = resources.filter(({ kind }) => kind === "overlay") as OverlayResource[];
    expect(overlay).toMatchObject({
      ...{ id: "overlay/common@a", name: "common@a", dependsOn: ["tree/a"], tree: "tree/a", onDelete: "retain" },
      ...{ treePath: "/state/volumes/a/root", volumePath: "/state/volumes/a", driftPolicy: "correct" },
    });
    expect(resources.find(({ kind }) => kind === "tree")).toMatchObject({
      laidPaths: ["etc/", "etc/motd", "etc/old", "init"],
    });
    const artifact = resources.at(-1) as ArtifactResource;
    expect(artifact.dependsOn).toEqual(["mount/a:/var", "overlay/common@a", "tree/a"]);
    expect(artifact.overlays.map(({ name }) => name)).toEqual(["hardware/qemu"]);
  });

  it("into a root where another lays the same path is refused, naming both", () => {
    const into = overlayYaml("  into: root\n  roots: [a]\n");
    const twice = {
      ...SMALL,
      "images/a.yaml": `${head("Image", "a")}  root: a\n`,
      "overlays/common/overlay.yaml": into,
      "overlays/hardware/qemu/overlay.yaml": into,
      "overlays/hardware/qemu/init": "x",
    };
    expect(messagesOf(twice)).toEqual([
      "desired/overlays/hardware/qemu/overlay.yaml:1:1: cannot lay `init` into tree/a by overlay hardware/qemu: overlay common lays it too",
    ]);
  });
});

describe("an image", () => {
  const image = (body: string, more: Files = {}): ArtifactResource => {
    const files = { ...SMALL, ...more, "images/a.yaml": `${head("Image", "a")}  root: a\n${body}` };
    return resourcesOf(files).at(-1) as ArtifactResource;
  };

  it.each([
    ["", "initramfs.cpio.gz", { codec: "gzip", level: 5 }],
    ["  compression: {codec: zstd}\n", "initramfs.cpio.zst", { codec: "zstd", level: 3 }],
    ["  compression: {codec: none}\n", "initramfs.cpio", { codec: "none", level: 0 }],
  ])("with %j is the file %s", (body, file, compression) => {
    expect(image(body)).toMatchObject({ file, compression });
  });

  it("replaces the default excludes by its own, and goes without common when told", () => {
    expect(image("  exclude: [var/cache/*]\n").excludes).toEqual(["var/cache/*", "var/*"]);
    expect(image("  common: false\n  overlays: [hardware/qemu]\n").overlays.map(({ name }) => name)).toEqual([
      "hardware/qemu",
    ]);
  });

  it("lays overlays by order and then by name, not as they are listed", () => {
    const more = {
      "overlays/secret-sauce/a/k": "k",
      "overlays/hardware/b/k": "k",
      "overlays/hardware/early/k": "k",
      "overlays/hardware/early/overlay.yaml": overlayYaml("  order: 5\n"),
    };
    const body = "  overlays: [secret-sauce/a, hardware/qemu, hardware/early, hardware/b]\n";
    expect(image(body, more).overlays.map(({ name }) => name)).toEqual([
      "hardware/early",
      "common",
      "hardware/b",
      "hardware/qemu",
      "secret-sauce/a",
    ]);
  });
});

describe("a private mount below others", () => {
  it("knows the private ones above it, parents first; those of the host stand already", () => {
    const mounts = ["/var/cache/apt", "/var/cache", "/var", "/srv", "/srv/x"].map((target) => {
      return `    - {target: ${target}, type: tmpfs, namespace: ${target === "/srv" ? "host" : "private"}}\n`;
    });
    const root = `${head("Root", "a")}  volume: a\n  source: {existing: {}}\n  mounts:\n${mounts.join("")}`;
    const { graph } = compileFiles({ "volumes/a.yaml": SMALL["volumes/a.yaml"] ?? "", "roots/a.yaml": root });
    const above = graph.resources.flatMap((it) =>
      it.kind === "mount" ? [[it.name, ...(it.above ?? []).map(({ name }) => name)]] : [],
    );
    expect(above).toEqual([
      ["a:/srv"],
      ["a:/srv/x"],
      ["a:/var"],
      ["a:/var/cache", "a:/var"],
      ["a:/var/cache/apt", "a:/var", "a:/var/cache"],
    ]);
  });
});

describe("one physical identity", () => {
  const volume = (name: string, path: string): string =>
    `${head("Volume", name)}  backend: directory\n  path: ${path}\n`;

  it("is never given to two resources: both places are named", () => {
    const files = {
      ...SMALL,
      "volumes/b.yaml": volume("b", "/srv/cache"),
      "targets/t.yaml": `${head("ArchTarget", "t")}  links: [{path: /state/artifacts/a, to: x}]\n`,
    };
    expect(messagesOf(files)).toEqual([
      "desired/images/a.yaml:1:1: cannot give /state/artifacts/a to artifact/a: link/t:/state/artifacts/a has it, declared at desired/targets/t.yaml:6:11",
      "desired/volumes/cache.yaml:1:1: cannot give /srv/cache to volume/cache: volume/b has it, declared at desired/volumes/b.yaml:1:1",
    ]);
  });

  it("covers datasets and logical volumes under different names", () => {
    const lvm = (name: string): string =>
      `${head("Volume", name)}  backend: lvm\n  group: g\n  logicalVolume: x\n  size: 1G\n`;
    expect(messagesOf({ "a.yaml": lvm("a"), "b.yaml": lvm("b") })).toEqual([
      "desired/b.yaml:1:1: cannot give g/x to volume/b: volume/a has it, declared at desired/a.yaml:1:1",
    ]);
  });

  it("keeps volumes out of another root's tree, and off the state directory", () => {
    const files = {
      ...SMALL,
      "volumes/b.yaml": volume("b", "volumes/a/root/srv"),
      "volumes/c.yaml": volume("c", "/state"),
    };
    const messages = messagesOf(files);
    expect(messages).toContain(
      "desired/volumes/c.yaml:7:9: cannot use /state as Volume c: the state directory lies in it",
    );
    expect(messages).toContain(
      "desired/volumes/b.yaml:1:1: cannot put volume/b at /state/volumes/a/root/srv: it lies inside tree/a, declared at desired/roots/a.yaml:1:1",
    );
  });

  it("makes what stands inside a volume depend on it", () => {
    const files = { ...SMALL, "volumes/b.yaml": volume("b", "/srv/cache/b") };
    expect(resourcesOf(files).find(({ id }) => id === "volume/b")?.dependsOn).toEqual(["volume/cache"]);
  });

  it("names the members of a cycle", () => {
    const node = (id: string, ...needs: string[]) =>
      ({ id: `volume/${id}`, dependsOn: needs.map((n) => `volume/${n}`) }) as never;
    expect(findCycle([node("a", "b"), node("b", "c"), node("c", "b")])).toEqual(["volume/b", "volume/c", "volume/b"]);
    expect(findCycle([node("a", "b", "c"), node("b", "c"), node("c")])).toBeUndefined();
  });
});
