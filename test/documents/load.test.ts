import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import { loadDocuments } from "../../src/documents/load.ts";
import { DOCUMENT_KINDS } from "../../src/documents/types.ts";
import { sha256, snapshotOf, type Written } from "./snapshot.ts";

const head = (kind: string, name: string): string =>
  `apiVersion: rootloom/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec:\n`;
const VOLUME = `${head("Volume", "debian")}  backend: directory\n`;
const ROOT = `${head("Root", "debian")}  volume: debian\n  source:\n    mmdebstrap:\n      suite: bookworm\n`;
const target = (name: string): string => `${head("ArchTarget", name)}  cpu: ${name}\n  variables: {FS: ext4}\n`;

/** `file:line:col: message` of every problem. */
function problemsOf(files: Readonly<Record<string, Written>>): readonly string[] {
  return loadDocuments(snapshotOf(files)).problems.map(
    ({ file, line, column, message, hint }) => `${file}:${line}:${column}: ${message}: ${hint}`,
  );
}

describe("a tree of documents", () => {
  it("reports every problem of every file at once, each with its place and a hint", () => {
    expect(
      problemsOf({
        "volumes/debian.yaml": `${head("Volume", "debian")}  backend: directry\n  sise: 10GiB\n  mode: 0755\n`,
        "roots/debian.yaml": `${head("Root", "debian")}  volume: debain\n  source: {}\n`,
        "images/debian.yaml": `${head("Image", "debian")}  root: debian\n  overlays: [hardware/qmu]\n`,
        "overlays/hardware/qemu/etc/issue": "x",
      }),
    ).toEqual([
      "desired/images/debian.yaml:7:14: cannot find Overlay `hardware/qmu`, which Image debian names: did you mean `hardware/qemu`?",
      "desired/roots/debian.yaml:7:11: cannot use `spec.source`: it says nothing: write exactly one of `tarball`, `mmdebstrap`, `debootstrap`, `clone`, `existing`",
      'desired/volumes/debian.yaml:6:12: cannot use `spec.backend`: "directry" is none of its values: did you mean `directory`?',
      "desired/volumes/debian.yaml:7:3: cannot use field `sise`: `spec` has no such field: did you mean `size`?",
      'desired/volumes/debian.yaml:8:9: cannot use `spec.mode`: 755 is not a text: put it in quotes: "755"',
    ]);
  });

  it("is valid when nothing is wrong, and comes back as it was written", () => {
    const loaded = loadDocuments(snapshotOf({ "volumes/debian.yaml": VOLUME, "roots/debian.yaml": ROOT }));
    expect(loaded.problems).toEqual([]);
    expect(loaded.documents.map(({ kind, name, spec }) => ({ kind, name, spec }))).toEqual([
      { kind: "Root", name: "debian", spec: { volume: "debian", source: { mmdebstrap: { suite: "bookworm" } } } },
      { kind: "Volume", name: "debian", spec: { backend: "directory" } },
    ]);
  });

  it("takes several documents from one file, and finds documents wherever they stand", () => {
    const loaded = loadDocuments(snapshotOf({ "site/all.yml": `# comment\n---\n${VOLUME}---\n${ROOT}` }));
    expect(loaded.problems).toEqual([]);
    expect(loaded.documents.map(({ kind }) => kind)).toEqual(["Volume", "Root"]);
  });

  it("passes on the problems that the source found, and adds none for the same file", () => {
    const problem = { file: "desired/roots/a.yaml", line: 1, column: 1, message: "cannot read: not UTF-8", hint: "x" };
    const snapshot = snapshotOf({ "roots/a.yaml": "" }, { problems: [problem], texts: new Map() });
    expect(loadDocuments(snapshot).problems).toEqual([problem]);
  });
});

describe("YAML", () => {
  it.each([
    ["a syntax error", "kind: [Volume\n", "2:1: cannot read YAML"],
    [
      "a key that stands twice",
      "a: 1\nb: 2\na: 3\n",
      "3:1: cannot read YAML: the key `a` stands twice, first in line 1",
    ],
    ["aliases that expand to too much", bomb(), "cannot read YAML: its aliases expand to too much"],
    ["a tag that nobody knows", "a: !include x\n", "1:4: cannot read YAML"],
    ["nesting that is too deep", "[".repeat(20_000), "cannot read YAML"],
    ["a list in place of a document", "- a\n", "1:1: cannot use this document: it is no mapping of fields"],
    [
      "another apiVersion",
      "apiVersion: rootloom/v2\nkind: Host\n",
      '1:13: cannot use this document: apiVersion "rootloom/v2"',
    ],
    [
      "an unknown kind",
      "apiVersion: rootloom/v1\nkind: Volumes\n",
      '2:7: cannot use this document: unknown kind "Volumes"',
    ],
  ])("refuses %s", (_, text, expected) => {
    expect(problemsOf({ "volumes/a.yaml": text })[0]).toContain(expected);
  });

  it("suggests the nearest kind", () => {
    expect(problemsOf({ "a.yaml": "apiVersion: rootloom/v1\nkind: Rooot\n" })).toEqual([
      'desired/a.yaml:2:7: cannot use this document: unknown kind "Rooot": did you mean `Root`?',
    ]);
  });

  it("does not call a reference unknown when the file that declares it has a syntax error", () => {
    const problems = problemsOf({ "volumes/debian.yaml": `${VOLUME}  x: [\n`, "roots/debian.yaml": ROOT });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("desired/volumes/debian.yaml");
  });
});

/** Nine levels of nine aliases each: a billion values when it is expanded. */
function bomb(): string {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const items =
      level === 0
        ? "x"
        : Array(9)
            .fill(`*a${level - 1}`)
            .join(", ");
    return `a${level}: &a${level} [${items}]`;
  });
  return `${levels.join("\n")}\n`;
}

describe("names and references", () => {
  it("names both places of a duplicate", () => {
    expect(problemsOf({ "volumes/a.yaml": VOLUME, "volumes/b.yaml": VOLUME })).toEqual([
      "desired/volumes/b.yaml:4:9: cannot declare Volume debian twice: the first is at desired/volumes/a.yaml:4:9: rename one of the two, or remove it",
    ]);
  });

  it("refuses a second Host, whatever it is called", () => {
    const hosts = { "host.yaml": `${head("Host", "a")}  {}\n`, "other.yaml": `${head("Host", "b")}  {}\n` };
    expect(problemsOf(hosts)).toEqual([
      "desired/other.yaml:4:9: cannot use a second Host: the first is at desired/host.yaml:4:9: keep one of the two",
    ]);
  });

  it.each(["-a", ".a", "a b", "a/b", `${"a".repeat(64)}`, "ä"])("refuses the name %j", (name) => {
    const text = `${head("Volume", JSON.stringify(name))}  backend: directory\n`;
    expect(problemsOf({ "volumes/a.yaml": text })[0]).toContain("4:9: cannot use the name");
  });

  it("follows every reference there is", () => {
    expect(
      problemsOf({
        "roots/a.yaml": `${head("Root", "a")}  volume: no\n  source: {existing: {}}\n  mounts: [{target: /x, type: bind, volume: no}]\n`,
        "images/a.yaml": `${head("Image", "a")}  root: no\n  overlays: [hardware/no]\n  kernel: no\n  target: no\n`,
        "overlays/common/overlay.yaml": "apiVersion: rootloom/v1\nkind: Overlay\nspec: {into: root, roots: [no]}\n",
      }),
    ).toEqual([
      "desired/images/a.yaml:6:9: cannot find Root `no`, which Image a names: known: `a`",
      "desired/images/a.yaml:7:14: cannot find Overlay `hardware/no`, which Image a names: known: `common`",
      "desired/images/a.yaml:8:11: cannot find KernelConfig `no`, which Image a names: no KernelConfig is declared: add one",
      "desired/images/a.yaml:9:11: cannot find ArchTarget `no`, which Image a names: no ArchTarget is declared: add one",
      "desired/overlays/common/overlay.yaml:3:28: cannot find Root `no`, which Overlay common names: known: `a`",
      "desired/roots/a.yaml:6:11: cannot find Volume `no`, which Root a names: no Volume is declared: add one",
      "desired/roots/a.yaml:8:45: cannot find Volume `no`, which Root a names: no Volume is declared: add one",
    ]);
  });
});

describe("a matrix", () => {
  const matrix = (body: string): string =>
    `${head("Volume", `baby-\${target.name}`)}  backend: lvm\n  group: vg0\n  size: 1G\n${body}  matrix: {targets: [i686, x86_64]}\n`;
  const targets = { "targets/a.yaml": `${target("i686")}---\n${target("x86_64")}` };

  it("says a problem that all its members have only once", () => {
    const files = { ...targets, "volumes/a.yaml": matrix("  owner: nobody\n") };
    expect(problemsOf(files)).toEqual([
      'desired/volumes/a.yaml:9:10: cannot read the owner `nobody`: write "user:group", such as "root:root" or "0:0"',
    ]);
  });

  it("checks each member by itself: a label that is too long for one target only", () => {
    const files = { ...targets, "volumes/a.yaml": matrix(`  label: label-12345-\${target.name}\n`) };
    expect(problemsOf(files)).toEqual([
      "desired/volumes/a.yaml:9:10: cannot use the label `label-12345-x86_64`: it has 18 bytes: a label of ext4 has at most 16 bytes",
    ]);
  });

  it("refuses unknown targets and variables with the nearest", () => {
    const files = {
      ...targets,
      "volumes/a.yaml": matrix(`  label: \${target.FSS}\n`),
      "volumes/b.yaml": `${head("Volume", "b")}  backend: directory\n  matrix: {targets: [i689]}\n`,
    };
    const fss = (name: string): string =>
      `desired/volumes/a.yaml:9:10: cannot fill in \`\${target.FSS}\`: ArchTarget ${name} does not set \`FSS\`: did you mean \`FS\`?`;
    expect(problemsOf(files)).toEqual([
      fss("i686"),
      fss("x86_64"),
      "desired/volumes/b.yaml:7:22: cannot expand Volume b: no ArchTarget is called `i689`: did you mean `i686`?",
    ]);
  });

  it("refuses members that would all have one name, and variables without a matrix", () => {
    const files = {
      ...targets,
      "volumes/a.yaml": `${head("Volume", "a")}  backend: directory\n  matrix: {targets: [i686, x86_64]}\n`,
      "volumes/b.yaml": `${head("Volume", "b")}  backend: directory\n  path: x/\${target.name}\n`,
    };
    expect(problemsOf(files).map((problem) => problem.split(": ").slice(0, 2).join(": "))).toEqual([
      "desired/volumes/a.yaml:4:9: cannot expand Volume a",
      "desired/volumes/b.yaml:7:9: cannot fill in `$" + "{target.name}`",
    ]);
  });
});

describe("values", () => {
  const root = (body: string): Record<string, string> => ({
    "v.yaml": VOLUME,
    "r.yaml": `${head("Root", "a")}${body}`,
  });
  const volume = (body: string): Record<string, string> => ({ "v.yaml": `${head("Volume", "a")}${body}` });
  const image = (body: string): Record<string, string> => ({
    "v.yaml": VOLUME,
    "r.yaml": ROOT,
    "i.yaml": `${head("Image", "a")}  root: debian\n${body}`,
  });
  const overlay = (spec: string): Record<string, string> => ({
    "overlays/common/overlay.yaml": `apiVersion: rootloom/v1\nkind: Overlay\nspec:\n${spec}`,
  });
  it.each([
    ["a size", volume("  backend: loop\n  size: 10 GiBs\n"), "cannot read the size `10 GiBs`"],
    ["a missing size", volume("  backend: loop\n"), "cannot make a loop volume: `size` is missing"],
    [
      "another backend's field",
      volume("  backend: directory\n  dataset: a/b\n"),
      "cannot use `dataset`: backend directory",
    ],
    ["a mode", volume('  backend: directory\n  mode: "0999"\n'), "cannot read the mode `0999`"],
    [
      "an xfs label",
      volume("  backend: loop\n  size: 1G\n  filesystem: xfs\n  label: thirteen-byte\n"),
      "it has 13 bytes",
    ],
    [
      "a space in an xfs label",
      volume('  backend: loop\n  size: 1G\n  filesystem: xfs\n  label: "a b"\n'),
      "cannot use the label `a b`: it holds a space",
    ],
    [
      "options of a subvolume, which has no mount of its own",
      volume("  backend: btrfs\n  mountOptions: [noatime]\n"),
      "cannot use `mountOptions`: backend btrfs",
    ],
    ["a path that leads out", volume("  backend: directory\n  path: ../x\n"), "it leads out by `..`"],
    [
      "a link",
      volume("  backend: directory\n  links: [{path: tools, to: x}]\n"),
      "cannot use the link `tools`: it is not absolute",
    ],
    ["a hash", root("  source: {tarball: {path: /a.tar, sha256: abc}}\n"), "it is not 64 hex digits"],
    [
      "two sources",
      root("  volume: debian\n  source: {existing: {}, mmdebstrap: {suite: x}}\n"),
      "it says more than one",
    ],
    ["a root without a volume", root("  source: {existing: {}}\n"), "cannot fill root a: it has no volume"],
    [
      "an argument that reads as an option",
      root("  volume: debian\n  source: {mmdebstrap: {suite: --setup-hook=x}}\n"),
      "cannot use `--setup-hook=x`",
    ],
    [
      "a mount target",
      root("  volume: debian\n  source: {existing: {}}\n  mounts: [{target: /a/../b, type: proc}]\n"),
      "it leads out by `..`",
    ],
    [
      "a bind of nothing",
      root("  volume: debian\n  source: {existing: {}}\n  mounts: [{target: /a, type: bind}]\n"),
      "nothing is named",
    ],
    [
      "a bind of two things",
      root(
        "  volume: debian\n  source: {existing: {}}\n  mounts: [{target: /a, type: bind, source: /x, volume: debian}]\n",
      ),
      "two things are named",
    ],
    [
      "a volume as a filesystem",
      root("  volume: debian\n  source: {existing: {}}\n  mounts: [{target: /a, type: squashfs, volume: debian}]\n"),
      "cannot mount a volume as squashfs",
    ],
    [
      "an image that is written to",
      root(
        "  volume: debian\n  source: {existing: {}}\n  mounts: [{target: /a, type: squashfs, source: /x.squashfs, options: [rw]}]\n",
      ),
      "cannot mount a squashfs read-write",
    ],
    [
      "a folder of no volume",
      root(
        "  volume: debian\n  source: {existing: {}}\n  mounts: [{target: /a, type: bind, source: /x, subdirectory: y}]\n",
      ),
      "cannot use `subdirectory` without `volume`",
    ],
    [
      "an owner of a whole volume",
      root(
        '  volume: debian\n  source: {existing: {}}\n  mounts: [{target: /a, type: bind, volume: debian, owner: "0:0"}]\n',
      ),
      "cannot use `owner` without `subdirectory`",
    ],
    [
      "a folder that leads out",
      root(
        "  volume: debian\n  source: {existing: {}}\n  mounts: [{target: /a, type: bind, volume: debian, subdirectory: ../x}]\n",
      ),
      "it leads out by `..`",
    ],
    [
      "our own folder of a volume",
      root(
        "  volume: debian\n  source: {existing: {}}\n  mounts: [{target: /a, type: bind, volume: debian, subdirectory: .rootloom/x}]\n",
      ),
      "Rootloom keeps its own notes there",
    ],
    [
      "the owner of a folder",
      root(
        "  volume: debian\n  source: {existing: {}}\n  mounts: [{target: /a, type: bind, volume: debian, subdirectory: y, owner: me}]\n",
      ),
      "cannot read the owner `me`",
    ],
    ["a gzip level", image("  compression: {level: 12}\n"), "cannot compress with gzip level 12"],
    ["a date", image("  sourceDate: 2024-02-30\n"), "cannot read the date `2024-02-30`"],
    ["an exclude that is not anchored", image("  exclude: [/proc]\n"), "cannot exclude `/proc`: it is absolute"],
    ["a rule that leads out", overlay('  rules: [{path: ../x, mode: "0600"}]\n'), "it leads out by `..`"],
    ["a device without numbers", overlay("  nodes: [{path: a, type: block}]\n"), "a block device needs both numbers"],
    ["into root without roots", overlay("  into: root\n"), "no root is named"],
    [
      "an interval",
      { "h.yaml": `${head("Host", "a")}  interval: 5 minutes\n` },
      "cannot read the interval `5 minutes`",
    ],
  ] as const)("refuses %s", (_, files, expected) => {
    const problems = problemsOf(files as Record<string, string>);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });
});

describe("overlays", () => {
  it("have a document each, written or implied, whose order follows the class", () => {
    const loaded = loadDocuments(
      snapshotOf({
        "overlays/common/etc/motd": "hello",
        "overlays/hardware/qemu/.hidden": "x",
        "overlays/secret-sauce/demo/overlay.yaml": "apiVersion: rootloom/v1\nkind: Overlay\nspec: {order: 35}\n",
        "overlays/README.md": "notes",
      }),
    );
    expect(loaded.problems).toEqual([]);
    expect(loaded.documents.map(({ name, spec }) => [name, spec])).toEqual([
      ["common", {}],
      ["hardware/qemu", {}],
      ["secret-sauce/demo", { order: 35 }],
    ]);
    expect(
      loaded.overlays.map(({ name, order, secret, files }) => [name, order, secret, files.map((f) => f.path)]),
    ).toEqual([
      ["common", 10, false, ["etc/motd"]],
      ["hardware/qemu", 20, false, [".hidden"]],
      ["secret-sauce/demo", 30, true, []],
    ]);
  });

  it("never take a YAML file of their content for a document", () => {
    expect(
      problemsOf({ "overlays/common/etc/app.yaml": "not: [valid", "overlays/common/a/overlay.yaml": "x: [" }),
    ).toEqual([]);
  });

  it("refuse what lies in none of them, a name that is not their folder's, and a document elsewhere", () => {
    const text = "apiVersion: rootloom/v1\nkind: Overlay\nmetadata: {name: hardware/b}\nspec: {}\n";
    expect(
      problemsOf({
        "overlays/hardwear/a/x": "",
        "overlays/hardware/a/overlay.yaml": text,
        "overlays/common/overlay.yml": "",
        "site.yaml": text,
      }),
    ).toEqual([
      "desired/overlays/common/overlay.yml:1:1: cannot tell whether this file is the overlay's document: rename it to overlay.yaml",
      "desired/overlays/hardware/a/overlay.yaml:3:18: cannot call the overlay `hardware/b`: its folder says `hardware/a`: write `name: hardware/a`, or leave `metadata` out",
      "desired/overlays/hardwear/a/x:1:1: cannot use this file: overlays have no class `hardwear`: did you mean `hardware`?",
      "desired/site.yaml:2:7: cannot use an Overlay here: it stands in its overlay's folder: move it to overlays/common/overlay.yaml, overlays/hardware/NAME/ or overlays/secret-sauce/NAME/",
    ]);
  });
});

describe("a kernel configuration", () => {
  const files = (kconfig: string, image = "", kernel = ""): Record<string, string> => ({
    "volumes/v.yaml": VOLUME,
    "roots/r.yaml": ROOT,
    "kernels/qemu.kconfig": kconfig,
    "kernels/more.kconfig": "CONFIG_RD_GZIP=y\n# CONFIG_BINFMT_ELF is not set\n",
    "kernels/qemu.yaml": `${head("KernelConfig", "qemu")}  config: qemu.kconfig\n${kernel}`,
    "images/i.yaml": `${head("Image", "i")}  root: debian\n  kernel: qemu\n${image}`,
  });
  const GOOD =
    'CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_DEVTMPFS=y\nCONFIG_RD_GZIP=y\nCONFIG_LOCALVERSION="-a"\n';

  it("must hold what the image and the document require", () => {
    expect(problemsOf(files(GOOD))).toEqual([]);
    expect(problemsOf(files(GOOD, "", "  require: {LOCALVERSION: -a, RD_GZIP: y, TMPFS: n, EFI: true}\n"))).toEqual([
      "desired/images/i.yaml:7:11: cannot use kernel qemu for Image i: CONFIG_EFI is not set, y is needed: set CONFIG_EFI=y in qemu.kconfig or in a fragment",
    ]);
    expect(problemsOf(files(GOOD, "  compression: {codec: zstd}\n"))[0]).toContain(
      "CONFIG_RD_ZSTD is not set, y is needed",
    );
    expect(
      problemsOf(files("", "  compression: {codec: none}\n")).map((text) => text.match(/CONFIG_\w+/)?.[0]),
    ).toEqual(["CONFIG_BINFMT_ELF", "CONFIG_BLK_DEV_INITRD", "CONFIG_DEVTMPFS"]);
  });

  it("lets a later fragment win", () => {
    const without = GOOD.replace("CONFIG_RD_GZIP=y\n", "");
    expect(problemsOf(files(without, "", "  fragments: [more.kconfig]\n"))).toEqual([
      "desired/images/i.yaml:7:11: cannot use kernel qemu for Image i: CONFIG_BINFMT_ELF is n, y is needed: set CONFIG_BINFMT_ELF=y in qemu.kconfig or in a fragment",
    ]);
  });

  it("names a file that is not there, with the nearest", () => {
    expect(problemsOf(files(GOOD, "", "  fragments: [moar.kconfig]\n"))).toEqual([
      "desired/kernels/qemu.yaml:7:15: cannot read the kernel configuration `moar.kconfig`: it is not there: did you mean `more.kconfig`?",
    ]);
  });
});

describe("any tree at all", () => {
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(
        fc.oneof(fc.string(), fc.constantFrom("path", "source", "mounts", "matrix", "__proto__")),
        tie("value"),
        { maxKeys: 4 },
      ),
    ),
  }));
  const names = fc.constantFrom("a", "b", "constructor", "__proto__");
  const spec = fc.oneof(
    json.value,
    fc.record(
      {
        backend: fc.constantFrom("directory", "lvm", "x"),
        volume: names,
        root: names,
        source: fc.constantFrom({ existing: {} }, { mmdebstrap: { suite: "a" } }, {}),
        matrix: fc.constantFrom({ targets: ["a", "b"] }, { targets: [] }),
        overlays: fc.array(names),
        path: fc.string(),
        rules: fc.array(fc.record({ path: fc.string(), mode: fc.string() })),
      },
      { requiredKeys: [] },
    ),
  );
  const document = fc.oneof(
    fc
      .record({
        apiVersion: fc.constant("rootloom/v1"),
        kind: fc.constantFrom(...DOCUMENT_KINDS),
        metadata: fc.record({ name: names }),
        spec,
      })
      .map((value) => JSON.stringify(value)),
    json.value.map((value) => JSON.stringify(value) ?? ""),
    fc.string(),
  );
  const path = fc.oneof(
    fc.string(),
    fc.constantFrom("a.yaml", "b.yml", "overlays/common/overlay.yaml", "overlays/hardware/x/y"),
  );

  it("never crashes loading or compiling, and every problem has a place", () => {
    fc.assert(
      fc.property(fc.dictionary(path, document, { maxKeys: 5 }), (files) => {
        const loaded = loadDocuments(snapshotOf(files));
        compile({ ...loaded, state: "/state", defaults: { jobs: 1, memory_bytes: 1 }, digest: sha256 });
        for (const { file, line, column, message } of loaded.problems) {
          expect(file).toMatch(/^desired\//);
          expect(Math.min(line, column)).toBeGreaterThan(0);
          expect(message).not.toContain("undefined");
        }
      }),
      { numRuns: 500 },
    );
  });
});
