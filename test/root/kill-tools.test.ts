import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mountsOf } from "../kills/checks.ts";
import { eventually, type FileTree, makeSite, type Site, sha256Of } from "../kit.ts";
import { whyNotMount } from "./private-namespace.ts";
import { changesOf, document, leftovers, processesOf, rootOf, small, tarball } from "./small-site.ts";

let site: Site;
/** Where the tools in the place of the host's are. */
let folder: string;
beforeEach(() => {
  expect(whyNotMount()).toBeUndefined();
  folder = mkdtempSync(join(tmpdir(), "rootloom-tools-"));
});
afterEach(async () => {
  await site.remove();
  rmSync(folder, { recursive: true });
});

const squashfs: FileTree = {
  ...small,
  "desired/images/a.yaml": document("Image", "a", { root: "small", overlays: ["hardware/one"], format: "squashfs" }),
};
const bootstrapped: FileTree = {
  ...small,
  "desired/roots/small.yaml": document("Root", "small", {
    volume: "small",
    source: { mmdebstrap: { suite: "bookworm" } },
  }),
};

/** A site for which a tool does its work and then, the first time, never ends; `done` is there as soon as it waits. */
function siteWith(tool: string, work: string, files: FileTree): { readonly site: Site; readonly done: string } {
  const done = join(folder, "done");
  const lines = ["#!/bin/sh", work, "status=$?", `[ -e ${done} ] && exit $status`, `: >${done}`, `tail -f ${done}`];
  writeFileSync(join(folder, tool), `${lines.join("\n")}\n`);
  chmodSync(join(folder, tool), 0o755);
  return { site: siteBehind(files), done };
}

/** As `siteWith`, but the tool itself, not what is around it, stands in the middle of its work: `held` is that script. */
function siteHeld(tool: string, held: string, files: FileTree): { readonly site: Site; readonly done: string } {
  const done = join(folder, "done");
  const lines = ["#!/bin/sh", `real=$(PATH=$\{PATH#*:} command -v ${tool})`, `done=${done}`];
  lines.push(`[ -e ${done} ] && exec "$real" "$@"`, held);
  writeFileSync(join(folder, tool), `${lines.join("\n")}\n`);
  chmodSync(join(folder, tool), 0o755);
  return { site: siteBehind(files), done };
}

/** A site for which this folder comes before the host's own tools. */
function siteBehind(files: FileTree): Site {
  const { PATH } = process.env;
  process.env.PATH = `${folder}:${PATH}`;
  const made = makeSite(files);
  process.env.PATH = PATH;
  return made;
}

/** The busybox root, only packed, and compressed by a tool that the packer has no decoder for. */
function packedFrom(tool: string): FileTree {
  const path = join(folder, "root.tar");
  copyFileSync(tarball, path);
  execFileSync(tool, [path]);
  const compressed = `${path}.xz`;
  return {
    "desired/overlays/common/init": { text: "#!/bin/busybox sh\n", executable: true },
    "desired/roots/small.yaml": document("Root", "small", {
      source: { tarball: { path: compressed, sha256: sha256Of(compressed) } },
    }),
    "desired/images/a.yaml": document("Image", "a", { root: "small" }),
  };
}

const alive = (): readonly string[] => [...processesOf(site), ...processesOf({ directory: folder })];

describe("kill -9 of an apply while it waits for", () => {
  it.each<[string, FileTree, string]>([
    ["tar", small, '/usr/bin/tar "$@"'],
    // Takes no network and no minutes.
    ["mmdebstrap", bootstrapped, `for target; do :; done; cp ${tarball} "$target"`],
    ["mksquashfs", squashfs, '/usr/bin/mksquashfs "$@"'],
  ])(
    "%s: it ends, too, nothing half-made is in place, and the next apply makes the whole",
    async (tool, files, work) => {
      const made = siteWith(tool, work, files);
      site = made.site;
      const running = site.start("apply");
      for (const stream of [running.stdout, running.stderr]) stream?.resume();
      await eventually(tool, 60_000, () => (existsSync(made.done) ? true : undefined));
      running.kill("SIGKILL");
      await eventually("the end of its children", 5_000, () => (alive().length === 0 ? true : undefined));

      expect(mountsOf(site)).toEqual([]);
      expect(existsSync(tool === "mksquashfs" ? join(site.state, "artifacts/a/current") : rootOf(site))).toBe(false);
      const ran = site.run("apply");
      expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
      expect(leftovers(site)).toEqual([]);
      expect(changesOf(site)).toEqual([]);
      expect(namesInImage()).toContain("init");
    },
  );
});

/** Waits for ever once the first part of its input has gone on, and says so. */
const PART = '{ head -c 300000; : >"$done"; tail -f "$done"; }';

describe("kill -9 of an apply in the middle of what is written by", () => {
  it.each<[string, () => FileTree, string]>([
    // It holds itself behind its twentieth record, in the midst of the root.
    [
      "tar",
      () => small,
      `exec "$real" --checkpoint=20 --checkpoint-action=exec=": >'$done'; exec tail -f '$done'" "$@"`,
    ],
    ["mksquashfs", () => squashfs, `${PART} | "$real" "$@"`],
    // The tool itself stands before a full pipe.
    ["xz", () => packedFrom("xz"), `"$real" "$@" | ${PART}`],
  ])(
    "%s: the tool is gone at once, its part is in no place, and the next apply makes the whole",
    async (tool, files, held) => {
      const made = siteHeld(tool, held, files());
      site = made.site;
      const running = site.start("apply");
      for (const stream of [running.stdout, running.stderr]) stream?.resume();
      await eventually(tool, 60_000, () => (existsSync(made.done) ? true : undefined));
      expect(alive().length).toBeGreaterThan(1);
      running.kill("SIGKILL");
      await eventually("the end of its children", 5_000, () => (alive().length === 0 ? true : undefined));

      expect(existsSync(join(site.state, "artifacts/a/current"))).toBe(false);
      expect(existsSync(rootOf(site))).toBe(tool === "mksquashfs");
      const ran = site.run("apply");
      expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
      expect(leftovers(site)).toEqual([]);
      expect(changesOf(site)).toEqual([]);
      expect(namesInImage()).toEqual(expect.arrayContaining(["init", "bin/busybox"]));
    },
  );
});

/** As another tool lists them. */
function namesInImage(): readonly string[] {
  const current = join(site.state, "artifacts/a/current");
  const file = readdirSync(current).find((name) => /^(initramfs\.cpio\.gz|.*\.squashfs)$/.test(name)) ?? "";
  const list = file.endsWith(".squashfs")
    ? 'unsquashfs -l -d "" "$1" | sed "s:^/::"'
    : 'gzip -dc "$1" | cpio -it --quiet | sed "s:^\\./::"';
  return execFileSync("sh", ["-c", list, "sh", join(current, file)], { encoding: "utf8", maxBuffer: 1 << 26 })
    .trim()
    .split("\n");
}
