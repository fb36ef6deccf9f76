import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import { mergedKey } from "../../src/compile/context.ts";
import { canonicalJson } from "../../src/core/digest.ts";
import type { OverlayResource, ProvisionResource, TreeResource } from "../../src/core/resource.ts";
import { loadDocuments } from "../../src/documents/load.ts";
import { sha256, snapshotOf, type Written } from "../documents/snapshot.ts";

const document = (kind: string, name: string, spec: object): string =>
  JSON.stringify({ apiVersion: "rootloom/v1", kind, metadata: { name }, spec });

/** A part that is secret. */
const KEY = "overlays/secret-sauce/s/key";

/** One line of JSON. */
const rootText = (provision: object, more: object = {}): string => {
  const mounts = [
    { target: "/proc", type: "proc" },
    { target: "/shared", type: "tmpfs", namespace: "host" },
  ];
  return document("Root", "r", {
    volume: "v",
    source: { mmdebstrap: { suite: "bookworm" } },
    provision,
    mounts,
    ...more,
  });
};
/** What is written at a column of it. */
const written = (provision: object, column: number): string => rootText(provision).slice(column - 1, column + 9);

function compiled(provision: object, more: Readonly<Record<string, Written>> = {}, root: object = {}) {
  const snapshot = snapshotOf({
    "volumes/v.yaml": document("Volume", "v", { backend: "directory" }),
    "roots/r.yaml": rootText(provision, root),
    "images/i.yaml": document("Image", "i", { root: "r" }),
    "parts/a": "a\n",
    "parts/b": "b\n",
    ...more,
  });
  const loaded = loadDocuments(snapshot);
  const merged = new Map([
    [mergedKey(["parts/a", "parts/b"]), { sha256: "ab", size: 4, content: "/cache/ab" }],
    [mergedKey(["parts/b"]), { sha256: "b", size: 2, content: "/cache/b" }],
    [mergedKey(["parts/a", KEY]), { sha256: "ak", size: 5, content: "/cache/ak" }],
  ]);
  const { graph, problems } = compile({
    ...{ ...loaded, files: snapshot.files, merged, state: "/state", baseDirectory: "/srv/desired", digest: sha256 },
    defaults: { jobs: 2, memory_bytes: 1024 },
  });
  const of = <T>(id: string): T => graph.resources.find((resource) => resource.id === id) as T;
  const told = [...loaded.problems, ...problems];
  return { of, told: told.map(({ message }) => message), problems: told };
}
const steps = (...texts: readonly string[]): object => ({
  steps: texts.map((run, index) => ({ name: `s${index}`, run })),
});
const keysOf = (provision: object, more?: Readonly<Record<string, Written>>): readonly string[] =>
  compiled(provision, more)
    .of<ProvisionResource>("provision/r")
    .steps.map(({ key }) => key);

describe("the provisioning of a root", () => {
  it("stands behind the root, its mounts and what is laid into it, and before its images; private mounts are its own", () => {
    const live = {
      "overlays/common/x": "x",
      "overlays/common/overlay.yaml": document("Overlay", "common", { into: "root", roots: ["r"] }),
    };
    const { of, told } = compiled(
      { ...steps("true"), files: [{ path: "/etc/ab", from: ["parts/a", "parts/b"] }] },
      live,
    );
    expect(told).toEqual([]);
    const provision = of<ProvisionResource>("provision/r");
    expect(provision.dependsOn).toEqual([
      "mount/r:/proc",
      "mount/r:/shared",
      "overlay/common@r",
      "overlay/provision@r",
      "tree/r",
    ]);
    expect(provision.mounts.map(({ id }) => id)).toEqual(["mount/r:/proc"]);
    expect(of<{ dependsOn: string[] }>("artifact/i").dependsOn).toContain("provision/r");
    expect(of<TreeResource>("tree/r")).toMatchObject({
      provisioned: { packages: [] },
      laidPaths: ["etc/", "etc/ab", "x"],
    });
  });

  it("is none where no steps are declared", () => {
    expect(compiled({ steps: [] }).of("provision/r")).toBeUndefined();
    expect(compiled({}).of<TreeResource>("tree/r").provisioned).toBeUndefined();
  });

  it("keys each step by what it does and by those before it, not by its name or its timeout", () => {
    const [a, b, c] = keysOf(steps("1", "2", "3"));
    expect(keysOf(steps("1", "two", "3"))).toEqual([
      a,
      expect.not.stringMatching(b ?? ""),
      expect.not.stringMatching(c ?? ""),
    ]);
    const renamed = { steps: ["1", "2", "3"].map((run) => ({ name: `n${run}`, run, timeout: "5s" })) };
    expect(keysOf(renamed)).toEqual([a, b, c]);
    const one = (more: object): string => keysOf({ steps: [{ name: "s", run: "1", ...more }] })[0] ?? "";
    const changed = [
      { env: { A: "1" } },
      { env: { A: "2" } },
      { inputs: ["parts/a"] },
      { on: "host" },
      { secrets: { T: "/srv/t" } },
      { run: [["1"]] },
    ].map(one);
    expect(new Set([a, ...changed]).size).toBe(changed.length + 1);
    expect(one({ secrets: { T: "/srv/elsewhere" } })).toBe(changed[4]);
  });

  it("keys a step by those before it, the first of two and the last of four alike", () => {
    const before = keysOf(steps("1", "2", "3", "4"));
    const after = keysOf(steps("one", "2", "3", "4"));
    for (const [index, key] of after.entries()) expect(key).not.toBe(before[index]);
    expect(keysOf(steps("1", "2"))).toEqual(before.slice(0, 2));
  });

  it("keys a step as the versions before this one did: else all would run again everywhere", () => {
    expect(keysOf({ steps: [{ name: "s", run: "1" }] })).toEqual([
      sha256(
        '{"before":"","environment":{},"inputs":[],"secrets":[],"version":1,"where":"root","work":{"text":"1","type":"script"}}',
      ),
    ]);
  });

  it("keys a step by the content of its inputs", () => {
    const step = { steps: [{ name: "s", run: "1", inputs: ["parts/a"] }] };
    expect(keysOf(step)).not.toEqual(keysOf(step, { "parts/a": "other\n" }));
  });

  it("has what each step declares, else the usual values", () => {
    const commands = [
      ["make", "-j2"],
      ["make", "install"],
    ];
    const packages = { adapter: "command", install: ["b"], remove: ["c"], refresh: false, recommends: true };
    const own = { list: "l", install: "i", remove: "r" };
    const { of, told } = compiled({
      resolvConf: "keep",
      steps: [
        { name: "script", run: "true", on: "host", env: { A: "1" }, secrets: { T: "/srv/t" }, timeout: "90s" },
        { name: "commands", run: commands },
        { name: "usual", packages: { adapter: "apt", install: ["a"] } },
        { name: "removal", packages: { adapter: "apt", remove: ["d"], refresh: false, recommends: true } },
        { name: "own", packages: { ...packages, refresh: undefined, recommends: undefined, commands: own } },
      ],
    });
    expect(told).toEqual([]);
    const { key: _, ...rest } = of<ProvisionResource>("provision/r").steps[0]!;
    expect(rest).toStrictEqual({
      ...{ name: "script", where: "host", work: { type: "script", text: "true" }, environment: { A: "1" } },
      ...{ secrets: { T: "/srv/t" }, timeout_s: 90 },
    });
    const usual = { type: "packages", adapter: "apt", install: [], remove: [], refresh: true, recommends: false };
    const work = of<ProvisionResource>("provision/r").steps.map((step) => step.work);
    expect(work.slice(1)).toEqual([
      { type: "commands", commands },
      { ...usual, install: ["a"] },
      { ...usual, remove: ["d"], refresh: false, recommends: true },
      { ...usual, adapter: "command", install: ["b"], remove: ["c"], commands: own },
    ]);
    expect(of<ProvisionResource>("provision/r").steps[1]).toMatchObject({
      where: "root",
      timeout_s: 3600,
      secrets: {},
    });
    expect(of<TreeResource>("tree/r").provisioned).toEqual({ packages: work.slice(2) });
    expect(of<ProvisionResource>("provision/r").resolvConf).toBe("keep");
  });

  it("is retained, unprotected, of its root's place, and sees the host's resolver", () => {
    const { of } = compiled(steps("true"));
    const { steps: _, mounts: __, root, ...rest } = of<ProvisionResource>("provision/r");
    expect(rest).toStrictEqual({
      ...{ id: "provision/r", kind: "provision", name: "r", identity: "provision:/state/volumes/v/root" },
      ...{ dependsOn: ["mount/r:/proc", "mount/r:/shared", "tree/r"], tree: "tree/r", resolvConf: "host" },
      origin: { document: "Root/r", file: "desired/roots/r.yaml", line: 1, column: expect.any(Number) },
      ...{ protect: false, onDelete: "retain" },
    });
    expect(written(steps("true"), rest.origin.column)).toBe('{"steps":[');
    expect(root).toEqual(of<TreeResource>("tree/r"));
  });

  it("sees its private mounts without those above them", () => {
    const mounts = [
      { target: "/a", type: "tmpfs" },
      { target: "/a/b", type: "tmpfs" },
    ];
    const [, below] = compiled(steps("true"), {}, { mounts }).of<ProvisionResource>("provision/r").mounts;
    expect(below).toMatchObject({ name: "r:/a/b" });
    expect(below).not.toHaveProperty("above");
  });

  it("lays a file that is put together like an overlay, secret where a part is", () => {
    const file = { path: "/etc/ab", from: ["parts/a", "parts/b"], mode: "0640", owner: "0:7" };
    const { of } = compiled({ files: [file] });
    const { overlay } = of<OverlayResource>("overlay/provision@r");
    expect(
      overlay.entries.map(({ path, type, mode, group, sha256: digest, content }) => [
        path,
        type,
        mode,
        group,
        digest,
        content,
      ]),
    ).toEqual([
      ["etc", "directory", 0o755, 0, "", ""],
      ["etc/ab", "file", 0o640, 7, "ab", "/cache/ab"],
    ]);
    expect(overlay.secret).toBe(false);
    const secret = { path: "/etc/ak", from: ["parts/a", KEY] };
    const both = compiled({ files: [file, secret] }, { [KEY]: "k" }).of<OverlayResource>("overlay/provision@r");
    expect(both.overlay.secret).toBe(true);
  });

  it("lays files that are put together behind the overlays of people, sorted, each directory once", () => {
    const parts = ["parts/a", "parts/b"];
    const files = [
      { path: "/usr/lib/z/conf", from: parts },
      { path: "/etc/x/y/ab", from: parts },
      { path: "/etc/b", from: ["parts/b"] },
    ];
    const { of } = compiled({ files });
    const { overlay, ...rest } = of<OverlayResource>("overlay/provision@r");
    expect(rest).toStrictEqual({
      ...{ id: "overlay/provision@r", kind: "overlay", name: "provision@r" },
      ...{ identity: "overlay:provision@/state/volumes/v/root", dependsOn: ["tree/r"], tree: "tree/r" },
      origin: { document: "Root/r", file: "desired/roots/r.yaml", line: 1, column: expect.any(Number) },
      ...{ protect: false, onDelete: "retain", driftPolicy: "correct" },
      ...{ treePath: "/state/volumes/v/root", volumePath: "/state/volumes/v" },
    });
    expect(written({ files }, rest.origin.column)).toBe('[{"path":"');
    const { entries, digest: _, ...tree } = overlay;
    expect(tree).toStrictEqual({ name: "provision", order: 40, deletions: [], sourceDate_s: 0, secret: false });
    expect(entries.map(({ path, mode, explicit }) => [path, mode.toString(8), explicit])).toEqual([
      ["etc", "755", false],
      ["etc/b", "644", true],
      ["etc/x", "755", false],
      ["etc/x/y", "755", false],
      ["etc/x/y/ab", "644", true],
      ["usr", "755", false],
      ["usr/lib", "755", false],
      ["usr/lib/z", "755", false],
      ["usr/lib/z/conf", "644", true],
    ]);
    const reported = compiled({ files }, {}, { drift: { policy: "report" } }).of<OverlayResource>(
      "overlay/provision@r",
    );
    expect(reported.driftPolicy).toBe("report");
  });

  it("knows what is put together by what it holds, not by where a copy of that is kept", () => {
    const digestOf = (file: object) =>
      compiled({ files: [file] }).of<OverlayResource>("overlay/provision@r").overlay.digest;
    const file = { path: "/etc/ab", from: ["parts/a", "parts/b"] };
    const changed = [
      { ...file, mode: "0600" },
      { ...file, path: "/etc/ba" },
      { ...file, from: ["parts/b"] },
    ];
    expect(new Set([file, ...changed].map(digestOf)).size).toBe(4);
    const { overlay } = compiled({ files: [file] }).of<OverlayResource>("overlay/provision@r");
    const { digest, secret: _, ...tree } = overlay;
    const anywhere = { ...tree, entries: tree.entries.map(({ content: __, ...entry }) => entry) };
    expect(digest).toBe(sha256(canonicalJson(anywhere)));
  });

  it("names the part that is missing, and the file that cannot be put together", () => {
    const at = (provision: object) =>
      compiled(provision).problems.map(({ column, message, hint }) => {
        return [written(provision, column), message, hint];
      });
    const commit = "commit it there, or correct the path";
    expect(at({ files: [{ path: "/x", from: ["parts/a", "parts/none"] }] })).toEqual([
      ['"parts/non', "cannot find the file `parts/none` in the folder of the documents", commit],
    ]);
    expect(at({ steps: [{ name: "s", run: "1", inputs: ["parts/a", "parts/no"] }] })).toEqual([
      ['"parts/no"', "cannot find the file `parts/no` in the folder of the documents", commit],
    ]);
    expect(
      at({
        files: [
          { path: "/y", from: ["parts/b"] },
          { path: "/x", from: ["parts/a"] },
        ],
      }),
    ).toEqual([
      ['{"path":"/', "cannot put `/x` together: one of its parts cannot be read", "write plain files, 1 MiB at most"],
    ]);
  });

  it("refuses files that are not there", () => {
    const lost = {
      files: [{ path: "/x", from: ["parts/none"] }],
      steps: [{ name: "s", run: "1", inputs: ["parts/no"] }],
    };
    expect(compiled(lost).told).toEqual([
      "cannot find the file `parts/none` in the folder of the documents",
      "cannot find the file `parts/no` in the folder of the documents",
    ]);
  });

  it.each<[string, object, string]>([
    ["neither run nor packages", { steps: [{ name: "s" }] }, "it says neither `run` nor `packages`"],
    ["both", { steps: [{ name: "s", run: "1", packages: { adapter: "apt", install: ["x"] } }] }, "it says both"],
    [
      "a name twice",
      {
        steps: [
          { name: "s", run: "1" },
          { name: "s", run: "2" },
        ],
      },
      "cannot call two steps `s`",
    ],
    ["a name with a slash", { steps: [{ name: "a/b", run: "1" }] }, "cannot call a step `a/b`"],
    [
      "packages on the host",
      { steps: [{ name: "s", on: "host", packages: { adapter: "apt", install: ["x"] } }] },
      "on the host",
    ],
    [
      "an option for a package",
      { steps: [{ name: "s", packages: { adapter: "apt", install: ["--allow"] } }] },
      "cannot use the package `--allow`",
    ],
    [
      "no packages",
      { steps: [{ name: "s", packages: { adapter: "portage" } }] },
      "nothing is to be installed or removed",
    ],
    [
      "a package both ways",
      { steps: [{ name: "s", packages: { adapter: "apt", install: ["x"], remove: ["x"] } }] },
      "cannot both install and remove x",
    ],
    [
      "no commands",
      { steps: [{ name: "s", packages: { adapter: "command", install: ["x"] } }] },
      "its `commands` are missing",
    ],
    [
      "an option of another",
      { steps: [{ name: "s", packages: { adapter: "portage", install: ["x"], refresh: true } }] },
      "cannot use `refresh`",
    ],
    [
      "a variable that is none",
      { steps: [{ name: "s", run: "1", env: { "A B": "1" } }] },
      "cannot set the variable `A B`",
    ],
    [
      "a relative secret",
      { steps: [{ name: "s", run: "1", secrets: { A: "t" } }] },
      "cannot read the secret A from `t`",
    ],
    ["a timeout that is none", { steps: [{ name: "s", run: "1", timeout: "soon" }] }, "cannot read the timeout `soon`"],
    ["a script that is too long", { steps: [{ name: "s", run: "x".repeat(100_001) }] }, "longer than 100000 bytes"],
    ["a path out of the documents", { files: [{ path: "/x", from: ["../x"] }] }, "cannot read `../x`"],
    ["a relative file", { files: [{ path: "x", from: ["parts/a"] }] }, "cannot write `x`"],
    ["a mode that is none", { files: [{ path: "/x", from: ["parts/a"], mode: "rw" }] }, "cannot read the mode `rw`"],
  ])("refuses %s", (_, provision, message) => {
    expect(compiled(provision).told.join("\n")).toContain(message);
  });
});
