import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EntryList } from "../../src/pack/entry-list.ts";
import { mergeOverlay } from "../../src/pack/merge.ts";
import { type OverlayLayer, overlayLayer } from "../../src/pack/overlay-layer.ts";
import { comparePaths } from "../../src/pack/paths.ts";
import type { PackEntry } from "../../src/pack/types.ts";
import { overlayEntry, packEntry } from "./workspace.ts";

type Kind = "file" | "directory" | "symlink";

/** A tree as `path -> kind`, from a list of wishes: those that cannot stand together are dropped. */
function treeOf(wishes: readonly (readonly [string, Kind, string])[]): Map<string, { kind: Kind; target: string }> {
  const tree = new Map<string, { kind: Kind; target: string }>();
  for (const [path, kind, target] of wishes) {
    const parents = path.split("/").map((_, index, names) => names.slice(0, index).join("/"));
    const fits = parents.slice(1).every((parent) => (tree.get(parent)?.kind ?? "directory") === "directory");
    if (!fits || tree.has(path)) continue;
    for (const parent of parents.slice(1)) tree.set(parent, { kind: "directory", target: "" });
    tree.set(path, { kind, target: kind === "symlink" ? target : "" });
  }
  return tree;
}

const names = fc.constantFrom("a", "b", "a-b", "c", "é");
const paths = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const kinds = fc.constantFrom<Kind>("file", "file", "directory", "symlink");
const targets = fc.constantFrom("a", "b", "../a", "/c", "/", "missing", "a/b", "..");
const trees = fc.array(fc.tuple(paths, kinds, targets), { maxLength: 14 }).map(treeOf);

type Model = Map<string, { kind: Kind; target: string; layer: string }>;

/** Where a path leads with all its directory symlinks followed, by walking it slowly; undefined when it is blocked. */
function follow(model: Model, path: string, followLast: boolean, depth = 0): string | undefined {
  if (depth > 40) return undefined;
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  let here: string[] = [];
  for (const [index, part] of parts.entries()) {
    if (part === "..") {
      here = here.slice(0, -1);
      continue;
    }
    const next = [...here, part].join("/");
    const last = index === parts.length - 1;
    const found = model.get(next);
    if (found?.kind === "symlink" && (!last || followLast)) {
      const start = found.target.startsWith("/") ? "" : here.join("/");
      const directory = follow(model, `${start}/${found.target}`, true, depth + 1);
      if (directory === undefined || (directory !== "" && model.get(directory)?.kind !== "directory")) return undefined;
      here = directory === "" ? [] : directory.split("/");
      continue;
    }
    if (found && !last && found.kind !== "directory") return undefined;
    here = [...here, part];
  }
  return here.join("/");
}

/** The merge by its definition, one entry after another in a Map; undefined where it is refused. */
function slowMerge(lower: Model, upper: ReadonlyMap<string, { kind: Kind; target: string }>): Model | undefined {
  const merged: Model = new Map(lower);
  const laid = new Map<string, boolean>();
  for (const [path, { kind, target }] of upper) {
    const place = follow(lower, path, kind === "directory");
    if (place === undefined) return undefined;
    const explicit = kind !== "directory";
    if (laid.has(place) && (explicit || laid.get(place))) return undefined;
    laid.set(place, explicit || laid.get(place) === true);
    const below = place === "" ? { kind: "directory" } : lower.get(place);
    if (below && (below.kind === "directory") !== (kind === "directory")) return undefined;
    if (!below || kind !== "directory") merged.set(place, { kind, target, layer: "upper" });
  }
  return merged;
}

function toEntries(model: Model): PackEntry[] {
  const entries = [...model].map(([path, { kind, target, layer }]) => packEntry(path, { type: kind, target, layer }));
  return [packEntry("", { type: "directory" }), ...entries].sort((a, b) => comparePaths(a.path, b.path));
}

function toModel(tree: ReadonlyMap<string, { kind: Kind; target: string }>): Model {
  return new Map([...tree].map(([path, node]) => [path, { ...node, layer: "root" }]));
}

function toOverlay(tree: ReadonlyMap<string, { kind: Kind; target: string }>, deletions: readonly string[] = []) {
  const entries = [...tree].map(([path, { kind, target }]) =>
    overlayEntry(path, { type: kind, target, explicit: kind !== "directory" }),
  );
  return overlayLayer({ name: "upper", entries, deletions, sourceDate_s: 0 }, 1);
}

/** The merge with its entries as a plain list. */
function laid(lower: readonly PackEntry[], overlay: OverlayLayer) {
  const { entries, notes } = mergeOverlay(EntryList.of(lower), overlay);
  return { entries: [...entries], notes };
}

function summary(entries: readonly PackEntry[]): string[] {
  return entries.map(({ path, type, target, layer }) => `${path} ${type} ${target} ${layer}`);
}

describe("the merge of an overlay", () => {
  it("equals a slow merge by the definition, for any two trees", () => {
    fc.assert(
      fc.property(trees, trees, (lowerTree, upperTree) => {
        const lower = toModel(lowerTree);
        const expected = slowMerge(lower, upperTree);
        if (!expected) {
          expect(() => laid(toEntries(lower), toOverlay(upperTree))).toThrow(/^cannot lay upper: /);
        } else {
          const { entries } = laid(toEntries(lower), toOverlay(upperTree));
          expect(summary(entries)).toEqual(summary(toEntries(expected)));
        }
      }),
      { numRuns: 3_000 },
    );
  });

  const root = [
    packEntry("", { type: "directory" }),
    packEntry("bin", { type: "symlink", target: "usr/bin" }),
    packEntry("etc", { type: "directory", mode: 0o700, modified_s: 7 }),
    packEntry("etc/hosts"),
    packEntry("usr", { type: "directory" }),
    packEntry("usr/bin", { type: "directory" }),
    packEntry("usr/bin/sh"),
  ];
  const lay = (entries: Parameters<typeof overlayEntry>[], deletions: string[] = []) => {
    const layer = { name: "common", entries: entries.map((each) => overlayEntry(...each)), deletions, sourceDate_s: 9 };
    return laid(root, overlayLayer(layer, 2));
  };

  it("follows bin -> usr/bin and leaves the symlink alone", () => {
    const { entries } = lay([["bin/new"], ["bin", { type: "directory", explicit: false }]]);
    expect(entries.find(({ path }) => path === "bin")?.type).toBe("symlink");
    expect(entries.map(({ path }) => path).filter((path) => path.startsWith("usr/bin"))).toEqual([
      "usr/bin",
      "usr/bin/new",
      "usr/bin/sh",
    ]);
  });

  it("keeps the attributes of a directory it passes through", () => {
    const etc = lay([["etc", { type: "directory", explicit: false }], ["etc/new"]]).entries[2];
    expect(etc).toMatchObject({ path: "etc", mode: 0o700, modified_s: 7, layer: "root", place: 0 });
  });

  it("gives a directory that it declares new attributes in its old place", () => {
    const etc = lay([["etc", { type: "directory", mode: 0o750 }]]).entries[2];
    expect(etc).toMatchObject({ path: "etc", mode: 0o750, modified_s: 9, layer: "common", place: 0 });
  });

  it("makes missing directories with its own date", () => {
    const { entries } = lay([["opt/tool/run"]]);
    expect(entries.filter(({ path }) => path.startsWith("opt"))).toMatchObject([
      { path: "opt", type: "directory", mode: 0o755, modified_s: 9, place: 2 },
      { path: "opt/tool", type: "directory", modified_s: 9 },
      { path: "opt/tool/run", type: "file", modified_s: 9 },
    ]);
  });

  it("refuses a file over a directory and a directory over a file", () => {
    expect(() => lay([["etc"]])).toThrow("cannot lay common: /etc is a file in it and a directory below it");
    expect(() => lay([["etc/hosts", { type: "directory" }]])).toThrow(
      "/etc/hosts is a directory in it and a file below it",
    );
  });

  it("allows both where the overlay deletes what stands there", () => {
    const file = lay([["etc"]], ["etc"]).entries.map(({ path, type }) => `${path} ${type}`);
    expect(file).toEqual([
      " directory",
      "bin symlink",
      "etc file",
      "usr directory",
      "usr/bin directory",
      "usr/bin/sh file",
    ]);
    expect(lay([["etc/hosts", { type: "directory" }]], ["etc/hosts"]).entries[3]).toMatchObject({ type: "directory" });
  });

  it("deletes a directory once, whatever else is deleted in it", () => {
    const overlay = { name: "common", entries: [], deletions: ["usr/bin", "usr"], sourceDate_s: 9 };
    const { entries } = laid([...root, packEntry("usr/share")], overlayLayer(overlay, 2));
    expect(entries.map(({ path }) => path)).toEqual(["", "bin", "etc", "etc/hosts"]);
  });

  it("deletes through directory symlinks, with all below, and notes what was not there", () => {
    const { entries, notes } = lay([], ["bin/sh", "etc", "nothing"]);
    expect(entries.map(({ path }) => path)).toEqual(["", "bin", "usr", "usr/bin"]);
    expect(notes).toEqual(["overlay common deletes /nothing, which is not there"]);
  });

  it("refuses two entries that a symlink leads to one place", () => {
    expect(() => lay([["bin/new"], ["usr/bin/new"]])).toThrow("two of its entries lead to /usr/bin/new");
  });
});
