/**
 * Measures Rootloom beside what it replaces, on one root, in one run:
 *
 *     npm run bench -- [--root DIR] [--runs N] [--only WORK,WORK] [--json FILE]
 *
 * The root is a Debian of 36,500 files (`test/bench/prepare` makes it once), or a copy of DIR. Every figure is the median
 * of `--runs` (5) runs, of short works of nine at least, and what is compared runs in turns. Everything happens below a
 * temporary directory and in a mount namespace of its own, which also ends its mounts.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Bench } from "./common.ts";
import { type Row, table } from "./figure.ts";
import { NODE_WORDS } from "./site.ts";
import { works } from "./works.ts";

const PRIVATE = "ROOTLOOM_BENCH_PRIVATE";
const cache = new URL("../../.cache/bench", import.meta.url).pathname;

if (process.env[PRIVATE] === undefined) process.exitCode = runPrivately();
else await main();

/** This program again in a mount namespace of its own: whatever it mounts is gone with it. */
function runPrivately(): number {
  const words = ["--mount", "--propagation", "private", "--", process.execPath, ...NODE_WORDS];
  const environment = { ...process.env, [PRIVATE]: "1" };
  const work = mkdtempSync(join(tmpdir(), "rootloom-bench-"));
  try {
    const { status } = spawnSync("unshare", [...words, ...process.argv.slice(1), "--work", work], {
      stdio: "inherit",
      env: environment,
    });
    return status ?? 1;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      root: { type: "string" },
      runs: { type: "string", default: "5" },
      only: { type: "string" },
      json: { type: "string" },
      work: { type: "string", default: "" },
    },
  });
  const names = options.only?.split(",") ?? Object.keys(works);
  const bench = new Bench(options.work, cache, tarballOf(options.root, options.work), Number(options.runs));
  const rows: Row[] = [];
  for (const name of names) {
    const work = works[name];
    if (work === undefined) throw new Error(`there is no work ${name}: ${Object.keys(works).join(", ")}`);
    const measured = await work(bench);
    for (const { work: what, rootloom_s, other, other_s, ratio, note } of measured)
      console.error(`${what}: ${rootloom_s} s; ${other}: ${other_s} s; ${ratio} x; ${note}`);
    rows.push(...measured);
  }
  console.log(`${describeMachine()}; medians of ${options.runs} runs, of short works of 9 or more\n\n${table(rows)}`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
}

/** A tarball of the given tree, or the one that is made for the benchmark. */
function tarballOf(root: string | undefined, work: string): string {
  if (root === undefined) {
    execFileSync("sh", [new URL("./prepare", import.meta.url).pathname], { stdio: "inherit" });
    return join(cache, "stage-bookworm.tar");
  }
  mkdirSync(work, { recursive: true });
  const path = join(work, "root.tar");
  execFileSync("tar", ["--create", "--one-file-system", `--file=${path}`, `--directory=${root}`, "."]);
  return path;
}

function describeMachine(): string {
  const [, model = "unknown"] = /^model name\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8")) ?? [];
  return `${availableParallelism()} cores (${model}), Node ${process.versions.node}`;
}
