import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import { mergedKey } from "../../src/compile/context.ts";
import type { OverlayResource, ProvisionResource, TreeResource } from "../../src/core/resource.ts";
import { loadDocuments } from "../../src/documents/load.ts";
import { sha256, snapshotOf, type Written } from "../documents/snapshot.ts";

const document = (kind: string, name: string, spec: object): string =>
  JSON.stringify({ apiVersion: "rootloom/v1", kind, metadata: { name }, spec });

function compiled(provision: object, more: Readonly<Record<string, Written>> = {}) {
  const snapshot = snapshotOf({
    "volumes/v.yaml": document("Volume", "v", { backend: "directory" }),
    "roots/r.yaml": document("Root", "r", {
      ...{ volume: "v", source: { mmdebstrap: { suite: "bookworm" } }, provision },
      mounts: [
        { target: "/proc", type: "proc" },
        { target: "/shared", type: "tmpfs", namespace: "host" },
      ],
    }),
    "images/i.yaml": document("Image", "i", { root: "r" }),
    "parts/a": "a\n",
    "parts/b": "b\n",
    ...more,
  });
  const loaded = loadDocuments(snapshot);
  const merged = new Map([[mergedKey(["parts/a", "parts/b"]), { sha256: "ab", size: 4, content: "/cache/ab" }]]);
  const { graph, problems } = compile({
    ...{ ...loaded, files: snapshot.files, merged, state: "/state", baseDirectory: "/srv/desired", digest: sha256 },
    defaults: { jobs: 2, memory_bytes: 1024 },
  });
  const of = <T>(id: string): T => graph.resources.find((resource) => resource.id === id) as T;
  return { of, told: [...loaded.problems, ...problems].map(({ message }) => message) };
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

  it("keys a step by the content of its inputs", () => {
    const step = { steps: [{ name: "s", run: "1", inputs: ["parts/a"] }] };
    expect(keysOf(step)).not.toEqual(keysOf(step, { "parts/a": "other\n" }));
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
