import { execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ChildFigures } from "./child.ts";
import { type Measured, sideBySide } from "./figure.ts";
import { Pipeline } from "./pipeline.ts";
import { CHILD, childEnvironment, createSite, NODE_WORDS, type Site } from "./site.ts";

const FILES_IN_DIRECTORY = 50;
const BLOCK_BYTES = 512;

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
  const site = await createSite({
    directory,
    tarball: manyFiles(cache, files),
    content: "managed",
    backend: "directory",
  });
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
  const run = (work: typeof what): string =>
    execFileSync(process.execPath, [...NODE_WORDS, CHILD, work, site.directory], {
      encoding: "utf8",
      env: childEnvironment(site.directory),
      stdio: ["ignore", "pipe", "inherit"],
    });
  run("nothing"); // what the program is compiled to is kept by now, but not of the benchmark's own modules
  return JSON.parse(run(what)) as ChildFigures;
}

/** A tarball of `files` small files, 50 in a directory, made once: written as it is, for as many real files take minutes. */
export function manyFiles(cache: string, files: number): string {
  const tarball = join(cache, `many-${files}.tar`);
  if (existsSync(tarball)) return tarball;
  const output = openSync(`${tarball}.part`, "w");
  const directories = new Set<string>();
  const makeDirectories = (path: string) => {
    if (path === "." || directories.has(path)) return;
    makeDirectories(dirname(path));
    directories.add(path);
    writeSync(output, tarHeader(`${path}/`, 0));
  };
  makeDirectories("usr/bin");
  for (let file = 0; file < files; file++) {
    const directory = Math.floor(file / FILES_IN_DIRECTORY);
    const path = `usr/share/many/${directory % 97}/directory-${directory}/file-${file % FILES_IN_DIRECTORY}.txt`;
    makeDirectories(dirname(path));
    const content = Buffer.from(`${directory} ${file} `.repeat(10 + ((directory * file) % 60)));
    const padding = Buffer.alloc((BLOCK_BYTES - (content.length % BLOCK_BYTES)) % BLOCK_BYTES);
    writeSync(output, Buffer.concat([tarHeader(path, content.length), content, padding]));
  }
  writeSync(output, Buffer.alloc(2 * BLOCK_BYTES));
  closeSync(output);
  renameSync(`${tarball}.part`, tarball);
  return tarball;
}

/** Root's, of 1970; a directory where the path ends with a slash. */
function tarHeader(path: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const isDirectory = path.endsWith("/");
  header.write(path, 0, "latin1");
  header.write(`${isDirectory ? "0000755" : "0000644"}\0${"0000000\0".repeat(2)}`, 100, "latin1");
  header.write(`${size.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0`, 124, "latin1");
  header.write(`${" ".repeat(8)}${isDirectory ? "5" : "0"}`, 148, "latin1");
  header.write("ustar\u000000", 257, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}
