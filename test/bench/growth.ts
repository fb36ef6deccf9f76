import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChildFigures } from "./child.ts";
import { type Measured, sideBySide } from "./figure.ts";
import { Pipeline } from "./pipeline.ts";
import { createSite, type Site } from "./site.ts";

const FILES_IN_DIRECTORY = 50;

/** What one size of tree costs: seconds and memory of a cold pack, and of a pass without anything to do. */
export interface GrowthPoint {
  readonly files: number;
  readonly cold: ChildFigures;
  readonly nothing: ChildFigures;
  readonly rsync: Measured;
}

/** Measures a tree of many small files. The tarball it comes from is kept in `cache`. */
export async function measureGrowth(cache: string, work: string, files: number, runs: number): Promise<GrowthPoint> {
  const directory = join(work, `growth-${files}`);
  const site = await createSite({ directory, tarball: manyFiles(cache, files), content: "managed" });
  const pipeline = new Pipeline(directory, join(directory, "staging"), site.root, site.overlay);
  pipeline.copyRoot();
  const cold = measureChild(site, "cold");
  const nothing = measureChild(site, "nothing");
  const [rsync] = await sideBySide(runs, [() => pipeline.compare()]);
  rmSync(directory, { recursive: true, force: true });
  return { files, cold, nothing, rsync: rsync ?? { seconds: Number.NaN } };
}

/** One work on a site in a process of its own. */
export function measureChild(site: Site, what: "cold" | "nothing"): ChildFigures {
  const child = new URL("./child.ts", import.meta.url).pathname;
  // As the launcher does for every command.
  const environment = { ...process.env, NODE_COMPILE_CACHE: join(site.directory, "cache/node") };
  const words = ["--disable-warning=ExperimentalWarning", child, what, site.directory];
  const output = execFileSync(process.execPath, words, {
    encoding: "utf8",
    env: environment,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(output) as ChildFigures;
}

/** A tarball of `files` small files, 50 in a directory, made once. */
function manyFiles(cache: string, files: number): string {
  const tarball = join(cache, `files-${files}.tar`);
  if (existsSync(tarball)) return tarball;
  const tree = join(cache, `files-${files}.part`);
  rmSync(tree, { recursive: true, force: true });
  for (let directory = 0; directory * FILES_IN_DIRECTORY < files; directory++) {
    const path = join(tree, "usr/share/many", String(directory % 97), `directory-${directory}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < FILES_IN_DIRECTORY && directory * FILES_IN_DIRECTORY + file < files; file++) {
      writeFileSync(join(path, `file-${file}.txt`), `${directory} ${file} `.repeat(10 + ((directory * file) % 60)));
    }
  }
  execFileSync("tar", [
    "--create",
    "--owner=0",
    "--group=0",
    "--mtime=@0",
    `--file=${tarball}.part`,
    `--directory=${tree}`,
    ".",
  ]);
  renameSync(`${tarball}.part`, tarball);
  rmSync(tree, { recursive: true });
  return tarball;
}
