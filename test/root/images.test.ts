import { copyFileSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import zlib from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSite, type Site } from "../kit.ts";
import { imageOf, leftovers, small } from "./small-site.ts";

interface ListJson {
  readonly entries: readonly { readonly path: string; readonly layer: string; readonly mode: string }[];
}

interface DiffJson {
  readonly totals: { readonly added: number; readonly removed: number; readonly changed: number };
  readonly differences: readonly { readonly path: string; readonly change: string; readonly layer: string }[];
}

interface VerifyJson {
  readonly images: readonly { readonly id: string; readonly same: boolean; readonly what: string }[];
}

describe("looking into images", () => {
  let site: Site;
  afterEach(() => site.remove());
  beforeEach(() => {
    site = makeSite(small);
    apply();
  });

  const current = (): string => readlinkSync(join(site.state, "artifacts/a/current"));
  const apply = (): void => {
    const ran = site.run("apply");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  };

  it("lists a generation with the layer of each entry, and its file with the same entries", () => {
    const ours = site.json<ListJson>("ls", "image/a");
    const layers = new Map(ours.entries.map(({ path, layer }) => [path, layer]));
    expect(layers.get("init")).toBe("overlay/common");
    expect(layers.get("etc/one.conf")).toBe("overlay/hardware/one");
    expect(layers.get("bin/busybox")).toBe("root/small");
    const file = site.json<ListJson>("ls", imageOf(site));
    const sorted = ({ entries }: ListJson) => entries.map(({ path, mode }) => `${path} ${mode}`).sort();
    expect(sorted(file)).toEqual(sorted(ours));
    expect(site.run("ls", "a").stdout).toMatch(/^-rwxr-xr-x 0:0 +\d+ 1970-01-01 00:00 init$/m);
    expect(site.run("ls", "/no/such").stderr).toContain("cannot read /no/such: it does not exist");
  });

  it("compares generations by name and by file, tells the layer, and exits 2 only when they differ", () => {
    const first = current();
    site.commit({
      "desired/overlays/hardware/one/etc/one.conf": "longer than before\n",
      "desired/overlays/common/etc/new": "n\n",
    });
    copyFileSync(imageOf(site), join(site.directory, "before.img"));
    apply();
    const ran = site.run("diff", "image/a", "--json");
    expect(ran.exitCode).toBe(2);
    const found = JSON.parse(ran.stdout) as DiffJson;
    expect(found.totals).toMatchObject({ added: 1, removed: 0, changed: 1 });
    expect(found.differences.map(({ path, change, layer }) => `${change} ${path} ${layer}`)).toEqual([
      "added etc/new overlay/common",
      "changed etc/one.conf overlay/hardware/one",
    ]);
    expect(site.run("diff", "a", first.slice(0, 6), current().slice(0, 6)).exitCode).toBe(2);
    expect(site.run("diff", "a", current(), "current").exitCode).toBe(0);
    const files = site.run("diff", join(site.directory, "before.img"), imageOf(site));
    expect(files.exitCode).toBe(2);
    expect(files.stdout).toMatch(/^\+ \/etc\/new .*\n~ \/etc\/one.conf \(content\) {2}4 B -> 19 B/m);
    expect(site.run("diff", "a", imageOf(site)).stdout).toContain("hold the same");
    expect(site.run("diff", "a", "ffff", "current").exitCode).toBe(1);
  });

  it("reports what an image is made of, and explains which input had it packed again", () => {
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "x".repeat(5000) });
    apply();
    const report = site.run("report", "image/a");
    expect(report.stdout).toMatch(/by layer\n {2}1\.9 MiB +\d+ entries +root\/small\n/);
    expect(report.stdout).toMatch(/packed again for\n {2}overlay\/hardware\/one {2}~ \/etc\/one.conf\n/);
    expect(report.stdout).toMatch(/grown\n {2}\+4\.9 KiB {2}overlay\/hardware\/one {2}\/etc\/one.conf\n/);
    expect(site.run("report", "image/a", "--format", "md").stdout).toContain("## largest files");
    expect(site.run("explain", "image/a").stdout).toMatch(/packed for +overlay\/hardware\/one: ~ \/etc\/one.conf/);
  });

  it("finds two builds from nothing and the current image the same, and leaves nothing of them", () => {
    const ran = site.run("verify", "--rebuild", "a");
    expect(ran.stdout + ran.stderr).toContain(`two builds from nothing and generation ${current()} are the same`);
    expect(ran.exitCode).toBe(0);
    expect(readdirSync(join(site.cache, "rebuild"))).toEqual([]);
    expect(leftovers(site)).toEqual([]);
  });

  it("names the first entry at which the current image is not what is built now, and exits 1", () => {
    const verdict = (...arguments_: readonly string[]): string => {
      const ran = site.run("verify", ...arguments_, "--json");
      expect(ran.exitCode, ran.stdout + ran.stderr).toBe(1);
      return (JSON.parse(ran.stdout) as VerifyJson).images[0]?.what ?? "";
    };
    const raw = zlib.gunzipSync(readFileSync(imageOf(site)));
    raw.write("hallo", raw.indexOf("echo hello") + 5);
    writeFileSync(imageOf(site), zlib.gzipSync(raw));
    expect(verdict("--rebuild", "a")).toMatch(/differs from what is built now: \/init \(content\)$/);
    expect(verdict("a")).toMatch(/^initramfs.cpio.gz differs from what was packed/);
    apply();
    site.commit({ "desired/overlays/hardware/one/etc/one.conf": "two\n" });
    expect(verdict("--rebuild", "a")).toMatch(
      /inputs have changed since: rootloom plan\): \/etc\/one.conf \(content\)$/,
    );
  });
});
