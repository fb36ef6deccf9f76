import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { fingerprint, makeSite, type Ran, type Site, sha256Of } from "../kit.ts";
import { changesOf, document, imageOf, leftovers, rootOf, small, tarballRoot } from "./small-site.ts";

let site: Site;
afterEach(() => site.remove());

/** Words of the output with line breaks and indentation taken out: tables wrap. */
function textOf(ran: Ran): string {
  return `${ran.stdout} ${ran.stderr}`.replace(/\s+/g, " ");
}

function applied(): string {
  const ran = site.run("apply");
  expect(ran.exitCode, textOf(ran)).toBe(0);
  return textOf(ran);
}

function failed(): string {
  const ran = site.run("apply");
  expect(ran.exitCode, textOf(ran)).toBe(1);
  return textOf(ran);
}

function bytesOf(path: string): string {
  return Buffer.from(path).toString("latin1");
}

/** Names in an image, one byte a character, as GNU cpio unpacks them. */
function unpacked(image: string): string {
  const directory = join(site.directory, "unpacked");
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  execFileSync("sh", ["-c", 'gzip -dc "$0" | cpio -i --quiet -d --no-absolute-filenames', image], { cwd: directory });
  return directory;
}

function namesIn(directory: string): readonly string[] {
  return readdirSync(Buffer.from(directory, "latin1"), { encoding: "buffer" })
    .map((name) => name.toString("latin1"))
    .sort();
}

describe("names with spaces, newlines, non-ASCII and bytes that are no UTF-8", () => {
  const names = ["a name with spaces", "new\nline", "ümläut-日本", "-dash", "quote'\"\\"].map(bytesOf);
  const all = [...names, "bad-\xff\xfe-bytes"].sort();

  function fill(directory: string): void {
    mkdirSync(directory, { recursive: true });
    for (const name of all) {
      const path = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name, "latin1")]);
      writeFileSync(path, `content of ${name}\n`);
    }
  }

  it("are laid into a root from an overlay, found there when edited, and packed", () => {
    site = makeSite({ ...small, "desired/roots/small.yaml": tarballRoot({ content: "live" }) });
    fill(join(site.directory, "desired/overlays/hardware/live/odd"));
    fill(join(site.directory, "desired/overlays/hardware/one/layer"));
    site.commit({});
    applied();
    expect(namesIn(rootOf(site, "odd"))).toEqual(all);
    fill(rootOf(site, "of the root"));
    applied();
    const directory = unpacked(imageOf(site));
    for (const folder of ["odd", "layer", "of the root"]) expect(namesIn(join(directory, folder)), folder).toEqual(all);
    expect(changesOf(site)).toEqual([]);
    const bad = Buffer.concat([
      Buffer.from(rootOf(site, "odd/bad-")),
      Buffer.from([0xff, 0xfe]),
      Buffer.from("-bytes"),
    ]);
    writeFileSync(bad, "edited\n");
    const drift = site.run("drift");
    expect(drift.exitCode).toBe(2);
    expect(drift.stdout).toContain("odd/bad-");
    expect(drift.stdout).not.toMatch(/new\nline/);
    applied();
    expect(readFileSync(bad, "latin1")).toContain("content of bad-");
  });

  it("are restored in a managed root", () => {
    site = makeSite(small);
    const top = join(site.directory, "top");
    fill(join(top, "odd"));
    mkdirSync(join(top, "bin"));
    const archive = join(site.directory, "odd.tar");
    execFileSync("tar", ["-cf", archive, "-C", top, "."]);
    site.commit({ "desired/roots/small.yaml": tarballRoot({}, archive), "desired/images/a.yaml": undefined });
    applied();
    expect(namesIn(rootOf(site, "odd"))).toEqual(all);
    for (const name of readdirSync(Buffer.from(rootOf(site, "odd")), { encoding: "buffer" })) {
      rmSync(Buffer.concat([Buffer.from(rootOf(site, "odd/")), name]));
    }
    applied();
    expect(namesIn(rootOf(site, "odd"))).toEqual(all);
    expect(changesOf(site)).toEqual([]);
  });
});

describe("an overlay that meets something of another type", () => {
  const overlay = (more: object) => document("Overlay", "hardware/live", { into: "root", roots: ["small"], ...more });
  const layer = (more: object) => document("Overlay", "hardware/one", more);

  it("in a root is refused with the path, unless `delete` lists what stands there; then both come back with its end", () => {
    site = makeSite({ ...small, "desired/roots/small.yaml": tarballRoot({ content: "live" }) });
    applied();
    mkdirSync(rootOf(site, "opt/was-directory"));
    writeFileSync(rootOf(site, "opt/was-directory/precious"), "mine\n");
    writeFileSync(rootOf(site, "opt/was-file"), "mine too\n");
    site.commit({
      "desired/overlays/hardware/live/opt/was-directory": "a file\n",
      "desired/overlays/hardware/live/opt/was-file/inside": "in a directory\n",
    });
    const before = fingerprint(rootOf(site));
    const text = failed();
    expect(text).toMatch(
      /opt\/was-directory.*a directory stands there|opt\/was-directory.*it is a directory, a file is declared/,
    );
    expect(text).toContain("opt/was-file");
    expect(text).toMatch(/hint .*delete/);
    expect(fingerprint(rootOf(site))).toBe(before);
    site.commit({
      "desired/overlays/hardware/live/overlay.yaml": overlay({ delete: ["opt/was-directory", "opt/was-file"] }),
    });
    applied();
    expect(readFileSync(rootOf(site, "opt/was-directory"), "utf8")).toBe("a file\n");
    expect(readFileSync(rootOf(site, "opt/was-file/inside"), "utf8")).toBe("in a directory\n");
    expect(changesOf(site)).toEqual([]);
    site.commit({
      "desired/overlays/hardware/live/opt/was-directory": undefined,
      "desired/overlays/hardware/live/opt/was-file/inside": undefined,
      "desired/overlays/hardware/live/overlay.yaml": overlay({}),
    });
    applied();
    expect(readFileSync(rootOf(site, "opt/was-directory/precious"), "utf8")).toBe("mine\n");
    expect(readFileSync(rootOf(site, "opt/was-file"), "utf8")).toBe("mine too\n");
  });

  it("in an image is refused with the path and the old image stays, unless `delete` lists what stands there", () => {
    site = makeSite(small);
    applied();
    const image = sha256Of(imageOf(site));
    site.commit({
      "desired/overlays/hardware/one/usr": "a file over a directory\n",
      "desired/overlays/hardware/one/bin/busybox/inside": "a directory over a file\n",
    });
    const text = failed();
    expect(text).toContain("cannot lay overlay/hardware/one: /bin/busybox is a directory in it and a file below it");
    expect(text).toMatch(/hint .*delete/);
    expect(sha256Of(imageOf(site))).toBe(image);
    expect(leftovers(site)).toEqual([]);
    site.commit({ "desired/overlays/hardware/one/overlay.yaml": layer({ delete: ["usr", "bin/busybox"] }) });
    applied();
    const directory = unpacked(imageOf(site));
    expect(lstatSync(join(directory, "usr")).isFile()).toBe(true);
    expect(lstatSync(join(directory, "bin/busybox")).isDirectory()).toBe(true);
    expect(changesOf(site)).toEqual([]);
  });
});

describe("a mount target that is a link out of its root", () => {
  it.each(["private", "host"])(
    "is refused when it is %s, absolute or relative, and nothing is mounted or made",
    (namespace) => {
      site = makeSite({ ...small, "desired/roots/small.yaml": tarballRoot({ content: "live" }) });
      applied();
      symlinkSync("/etc", rootOf(site, "absolute"));
      symlinkSync("/etc", rootOf(site, "through"));
      symlinkSync("../../../../../../../etc", rootOf(site, "climb"));
      const mounts = ["/absolute", "/climb", "/climb/rootloom-test", "/through/inside"].map((target) => ({
        target,
        type: "tmpfs",
        namespace,
      }));
      site.commit({ "desired/roots/small.yaml": tarballRoot({ content: "live", mounts }) });
      const before = readFileSync("/proc/self/mountinfo", "utf8");
      const text = failed();
      for (const target of ["absolute", "climb", "climb/rootloom-test"]) {
        expect(text).toContain(`cannot mount ${rootOf(site, target)}: the target is a link out of the root`);
      }
      expect(text).toMatch(/hint declare the real path inside the root/);
      expect(existsSync("/etc/rootloom-test")).toBe(false);
      expect(existsSync("/etc/inside")).toBe(false);
      const after = readFileSync("/proc/self/mountinfo", "utf8");
      expect(
        after.split("\n").filter((line) => !before.includes(line) && !line.includes(rootOf(site, "etc/inside"))),
      ).toEqual([]);
      if (namespace !== "host") return;
      const unmounted = site.run("unmount", "--all");
      expect(unmounted.exitCode, text + textOf(unmounted)).toBe(0);
    },
  );
});
