import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findCycle } from "../../src/compile/conflicts.ts";
import type { ResourceId } from "../../src/core/resource.ts";
import { type Files, head, overlayYaml, problemsOf } from "./written.ts";

const volume = (name: string, path: string): string => `${head("Volume", name)}  backend: directory\n  path: ${path}\n`;
const root = (name: string, more: string): string => `${head("Root", name)}  volume: ${name}\n${more}`;
const BOOTSTRAP = "  source: {mmdebstrap: {suite: s}}\n";
const FILES: Files = { "a.yaml": volume("a", "/srv/a"), "ra.yaml": root("a", BOOTSTRAP) };

const other = "give one of the two another place";
const moveOut = "move it out of the root; mount a volume into a root by `mounts`";

describe("one place", () => {
  it.each([
    [
      "two volumes by their path",
      { "b.yaml": `${head("Volume", "b")}  backend: zfs\n  dataset: t/b\n  mountPoint: /srv/a\n` },
      ["desired/b.yaml:1:1: cannot give /srv/a to volume/b: volume/a has it, declared at desired/a.yaml:1:1", other],
    ],
    [
      "two volumes by their dataset",
      {
        "b.yaml": `${head("Volume", "b")}  backend: zfs\n  dataset: t/x\n  mountPoint: /b\n`,
        "c.yaml": `${head("Volume", "c")}  backend: zfs\n  dataset: t/x\n  mountPoint: /c\n`,
      },
      ["desired/c.yaml:1:1: cannot give t/x to volume/c: volume/b has it, declared at desired/b.yaml:1:1", other],
    ],
    [
      "a volume and a link",
      { "t.yaml": `${head("ArchTarget", "t")}  links: [{path: /srv/a, to: x}]\n` },
      [
        "desired/t.yaml:6:11: cannot give /srv/a to link/t:/srv/a: volume/a has it, declared at desired/a.yaml:1:1",
        other,
      ],
    ],
    [
      "a root and a link",
      { "t.yaml": `${head("ArchTarget", "t")}  links: [{path: /srv/a/root, to: x}]\n` },
      [
        "desired/t.yaml:6:11: cannot give /srv/a/root to link/t:/srv/a/root: tree/a has it, declared at desired/ra.yaml:1:1",
        other,
      ],
    ],
    [
      "a mount and a link",
      {
        "ra.yaml": root("a", `${BOOTSTRAP}  mounts: [{target: /m, type: tmpfs}]\n`),
        "t.yaml": `${head("ArchTarget", "t")}  links: [{path: /srv/a/root/m, to: x}]\n`,
      },
      [
        "desired/t.yaml:6:11: cannot give /srv/a/root/m to link/t:/srv/a/root/m: mount/a:/m has it, declared at desired/ra.yaml:8:12",
        other,
      ],
    ],
    [
      "two roots on one volume",
      { "rb.yaml": `${head("Root", "b")}  volume: a\n${BOOTSTRAP}` },
      ["desired/rb.yaml:1:1: cannot give /srv/a/root to tree/b: tree/a has it, declared at desired/ra.yaml:1:1", other],
    ],
    [
      "two existing roots on one volume",
      {
        "ra.yaml": root("a", "  source: {existing: {}}\n"),
        "rb.yaml": `${head("Root", "b")}  volume: a\n  source: {existing: {}}\n`,
      },
      ["desired/rb.yaml:1:1: cannot give /srv/a to tree/b: tree/a has it, declared at desired/ra.yaml:1:1", other],
    ],
  ] as const)("is not given to %s", (_what, more, problem) => {
    expect(problemsOf({ ...FILES, ...more })).toEqual([problem]);
  });

  it("is an existing root's and its volume's together", () => {
    expect(problemsOf({ ...FILES, "ra.yaml": root("a", "  source: {existing: {}}\n") })).toEqual([]);
  });
});

describe("inside a root", () => {
  it("stands no volume, no other root and no image", () => {
    const files = {
      ...FILES,
      "b.yaml": volume("b", "/srv/a/root/b"),
      "rc.yaml": `${head("Root", "c")}  volume: a\n  path: root/c\n${BOOTSTRAP}`,
    };
    const inside = (id: string) => `it lies inside ${id}, declared at desired/ra.yaml:1:1`;
    expect(problemsOf(files)).toEqual([
      [`desired/b.yaml:1:1: cannot put volume/b at /srv/a/root/b: ${inside("tree/a")}`, moveOut],
      [`desired/rc.yaml:1:1: cannot put tree/c at /srv/a/root/c: ${inside("tree/a")}`, moveOut],
    ]);
    const state = { ...FILES, "a.yaml": volume("a", "artifacts"), "i.yaml": `${head("Image", "x")}  root: a\n` };
    const top = { ...state, "ra.yaml": root("a", "  source: {existing: {}}\n") };
    expect(problemsOf(top)).toEqual([
      [`desired/i.yaml:1:1: cannot put artifact/x at /state/artifacts/x: ${inside("tree/a")}`, moveOut],
    ]);
  });

  it("may stand what belongs to it: its mounts, its overlays, and links", () => {
    const files = {
      ...FILES,
      "ra.yaml": root(
        "a",
        `${BOOTSTRAP}  mounts: [{target: /m, type: tmpfs}]\n  links: [{path: /srv/a/root/l, to: x}]\n`,
      ),
      "overlays/common/x": "x",
      "overlays/common/overlay.yaml": overlayYaml("  into: root\n  roots: [a]\n"),
    };
    expect(problemsOf(files)).toEqual([]);
  });
});

describe("one path of a root", () => {
  const into = (roots: string, more = ""): string => overlayYaml(`  into: root\n  roots: [${roots}]\n${more}`);
  const files = {
    ...FILES,
    "b.yaml": volume("b", "/srv/b"),
    "rb.yaml": root("b", BOOTSTRAP),
    "overlays/common/etc/motd": "x",
    "overlays/hardware/h/etc/issue": "x",
  };
  const refused = (path: string) => [
    `desired/overlays/hardware/h/overlay.yaml:1:1: cannot lay \`${path}\` into tree/a by overlay hardware/h: overlay common lays it too`,
    "take it out of one of the two; the other is at desired/overlays/common/overlay.yaml:1:1",
  ];
  const problems = (first: string, second: string) =>
    problemsOf({ ...files, "overlays/common/overlay.yaml": first, "overlays/hardware/h/overlay.yaml": second });

  it("is laid by one overlay only, and removed by none that another lays", () => {
    expect(problems(into("a"), into("a", "  delete: [etc/motd]\n"))).toEqual([refused("etc/motd")]);
    const directory = "  directories: [{path: etc}]\n";
    expect(problems(into("a", directory), into("a", directory))).toEqual([refused("etc")]);
  });

  it("is laid by each in a root of its own, and directories on the way are shared", () => {
    expect(problems(into("a"), into("a"))).toEqual([]);
    expect(problems(into("b"), into("a", "  delete: [etc/motd]\n"))).toEqual([]);
  });
});

describe("a cycle", () => {
  const node = (id: string, ...needs: readonly string[]) => ({
    id: `link/${id}` as ResourceId,
    dependsOn: needs.map((it) => `link/${it}` as ResourceId),
  });

  it("is named from where it is entered, and what only leads to it is not", () => {
    expect(findCycle([node("a", "a")])).toEqual(["link/a", "link/a"]);
    expect(findCycle([node("z", "a"), node("a", "x", "b"), node("b", "c"), node("c", "a")])).toEqual([
      ...["link/a", "link/b", "link/c", "link/a"],
    ]);
    expect(findCycle([node("a"), node("b", "a"), node("c", "d"), node("d", "c")])).toEqual([
      ...["link/c", "link/d", "link/c"],
    ]);
  });

  it("is found exactly where one is, in reasonable time", () => {
    const edges = fc.array(fc.array(fc.nat({ max: 5 }), { maxLength: 3 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(edges, (lists) => {
        const found = findCycle(lists.map((list, index) => node(`${index}`, ...list.map(String))));
        // Nodes without a way out are taken away until none is left, or only cycles and what leads to them.
        let left = new Map(lists.map((list, index) => [index, list]));
        for (let before = -1; before !== left.size; ) {
          before = left.size;
          left = new Map([...left].filter(([, list]) => list.some((to) => left.has(to))));
        }
        expect(found !== undefined).toBe(left.size > 0);
        const names = found?.map((id) => Number(id.slice(5))) ?? [];
        expect(names.at(0)).toBe(names.at(-1));
        for (const [index, from] of names.slice(0, -1).entries()) expect(lists[from]).toContain(names[index + 1]);
        expect(new Set(names.slice(1)).size).toBe(Math.max(names.length - 1, 0));
      }),
    );
    // Forty doors with two ways each: a search that forgets what it has seen never ends.
    const doors = Array.from({ length: 40 }, (_, at) => node(`${at}`, `${at + 1}`, `${at + 1}`));
    expect(findCycle(doors)).toBeUndefined();
  });
});
