import { describe, expect, it } from "vitest";
import type { ManifestEntry } from "../../src/pack/types.ts";
import { compareImages, imageDiffJson, imageDiffText } from "../../src/report/image-diff.ts";
import { type Generation, imageReport } from "../../src/report/image-report.ts";
import { imageReportMarkdown, imageReportText } from "../../src/report/image-report-text.ts";

function entry(path: string, layer: string, fields: Partial<ManifestEntry> = {}): ManifestEntry {
  const facts = { mode: 0o644, owner: 0, group: 0, modified_s: 0, size: 0, sha256: "", target: "", major: 0, minor: 0 };
  return { path, type: "file", ...facts, linkSet: "", layer, ...fields };
}

const directory = (path: string) => entry(path, "root/d", { type: "directory", mode: 0o755 });
const old: readonly ManifestEntry[] = [
  directory(""),
  directory("etc"),
  entry("etc/a", "root/d", { size: 100, sha256: "a1" }),
  entry("etc/gone", "overlay/common", { size: 50, sha256: "g" }),
  entry("etc/kind", "root/d", { size: 1, sha256: "k" }),
  directory("usr"),
  entry("usr/l", "root/d", { type: "symlink", target: "x", size: 1 }),
  entry("usr/s1", "root/d", { size: 1000, sha256: "s", linkSet: "usr/s2" }),
  entry("usr/s2", "root/d", { size: 1000, sha256: "s", linkSet: "usr/s2" }),
];
const now: readonly ManifestEntry[] = [
  directory(""),
  directory("etc"),
  entry("etc/a", "overlay/common", { size: 300, sha256: "a2", mode: 0o600, owner: 5 }),
  entry("etc/kind", "root/d", { type: "symlink", target: "a", size: 1 }),
  entry("etc/new|x", "overlay/common", { size: 2048, sha256: "n" }),
  directory("usr"),
  entry("usr/l", "root/d", { type: "symlink", target: "y", size: 1, modified_s: 9 }),
  entry("usr/s1", "root/d", { size: 1000, sha256: "s", linkSet: "usr/s2", modified_s: 9 }),
  entry("usr/s2", "root/d", { size: 1000, sha256: "s", linkSet: "usr/s2" }),
];
const digest = (letter: string) => letter.repeat(64);
const first: Generation = {
  generation: "1111111111111111",
  createdAt: "2026-01-01T00:00:00Z",
  size_bytes: 900,
  inputs: {
    "root/d": digest("a"),
    "overlay/common": digest("b"),
    excludes: digest("c"),
    compression: "gzip 6",
    target: "",
  },
};
const second: Generation = {
  generation: "2222222222222222",
  createdAt: "2026-01-02T00:00:00Z",
  size_bytes: 1900,
  inputs: {
    "root/d": digest("a"),
    "overlay/common": digest("d"),
    excludes: digest("e"),
    compression: "zstd 3",
    target: "",
  },
};
const plain = { color: false, width: 0 };

describe("the difference of two images", () => {
  it("names what was added, removed and changed, with sizes and the layer that each came from", () => {
    const found = compareImages(old, now, { all: false });
    expect(imageDiffText(found, { before: "old", after: "new" }, plain).trim().split("\n")).toEqual([
      "--- old",
      "+++ new",
      "~ /etc/a (mode 644, now 600, owner 0, now 5, content)  100 B -> 300 B, overlay/common",
      "- /etc/gone  50 B, overlay/common",
      "~ /etc/kind (type file, now symlink)  1 B, root/d",
      "+ /etc/new|x  2.0 KiB, overlay/common",
      "~ /usr/l (target)  root/d",
      "1 added, 1 removed, 3 changed, +2.1 KiB",
      "  overlay/common  1 added, 1 removed, 1 changed, +2.1 KiB",
      "  root/d          0 added, 0 removed, 2 changed, -1 B",
    ]);
    expect(imageDiffJson(found, { before: "old", after: "new" })).toMatchObject({
      totals: { added: 1, removed: 1, changed: 3, growth_bytes: 2197 },
      differences: [
        { path: "etc/a", change: "changed", before: { mode: "644" }, after: { mode: "600" } },
        { after: null },
        {},
        { before: null },
        {},
      ],
    });
  });

  it("holds times and hard links only where they are asked for", () => {
    const changed = (all: boolean) =>
      compareImages(old, now, { all }).differences.map(({ path, what }) => `${path} ${what}`);
    expect(changed(false)).not.toContain("usr/s1 time");
    expect(changed(true)).toContain("usr/s1 time");
  });

  it("is told to be none", () => {
    const found = compareImages(old, old, { all: true });
    expect(imageDiffText(found, { before: "a", after: "b" }, plain)).toBe("a and b hold the same\n");
  });
});

describe("the report of an image", () => {
  const report = imageReport("artifact/d", { report: second, entries: now }, { report: first, entries: old });

  it("tells sizes by layer and directory, a hard link set once", () => {
    expect(report).toMatchObject({ content_bytes: 3348, entries: 9 });
    expect(report.layers).toEqual([
      { name: "overlay/common", entries: 2, size_bytes: 2348 },
      { name: "root/d", entries: 7, size_bytes: 1000 },
    ]);
    expect(report.directories).toEqual([
      { name: "etc", entries: 4, size_bytes: 2348 },
      { name: "usr", entries: 4, size_bytes: 1000 },
    ]);
    expect(report.largest.map(({ path }) => path)).toEqual(["/etc/new|x", "/usr/s2", "/etc/a"]);
  });

  it("tells what grew since the generation before, and which input each repack came of", () => {
    expect(report.since?.grown.map(({ path, growth_bytes }) => `${path} ${growth_bytes}`)).toEqual([
      "/etc/new|x 2048",
      "/etc/a 200",
    ]);
    expect(report.since?.causes).toEqual([
      { input: "overlay/common", what: "~ /etc/a, - /etc/gone, + /etc/new|x" },
      { input: "excludes", what: "changed" },
      { input: "compression", what: "gzip 6, now zstd 3" },
    ]);
  });

  it("is shown as text and as a page, and neither can be broken by a name", () => {
    const text = imageReportText(report, plain);
    expect(text).toContain("packed again for\n  overlay/common  ~ /etc/a, - /etc/gone, + /etc/new|x\n");
    expect(text).toContain("grown\n  +2.0 KiB  overlay/common  /etc/new|x\n");
    const page = imageReportMarkdown(report);
    expect(page).toContain("## largest files");
    expect(page).toContain("| 2.0 KiB | overlay/common | /etc/new\\|x |");
  });

  it("of a first generation has nothing to compare", () => {
    const only = imageReport("artifact/d", { report: second, entries: now }, undefined);
    expect(only.since).toBeNull();
    expect(imageReportText(only, plain)).not.toContain("since");
  });
});
