/**
 * Measures Rootloom beside the pipeline it replaces, on one root, in one run:
 *
 *     node test/bench/bench.ts [--root DIR] [--runs N] [--json FILE]
 *
 * The root is the Debian minbase tree of `test/prepare`, or a copy of DIR. Every figure is the median of `--runs` (5) runs;
 * the pipeline, which takes long, runs at most 3 times. Nothing but a temporary directory is written to.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Figure, median } from "./figure.ts";
import { measureFloor, measurePipeline } from "./pipeline.ts";
import { createBench } from "./site.ts";

const { values: options } = parseArgs({
  options: {
    root: { type: "string" },
    runs: { type: "string", default: "5" },
    json: { type: "string" },
  },
});
const runs = Number(options.runs);
const work = mkdtempSync(join(tmpdir(), "rootloom-bench-"));

try {
  await main();
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const bench = await createBench(work, tarballOf(options.root));
  const cold = await median("Rootloom: cold pack, gzip -6", runs, () => bench.packCold());
  const repack = await bench.withDaemon((change) =>
    median("Rootloom: one overlay file changed, from commit to the new image", runs, change),
  );
  const noop = await median("Rootloom: apply with nothing to do, whole command", runs, () => bench.applyNothing());
  const pass = await median("Rootloom: pass with nothing to do, in the daemon", runs, () => bench.passNothing());
  const theirs = await measurePipeline(work, bench.root, bench.overlay, Math.min(runs, 3), runs);
  const floor = await median("floor: as many bytes written and synced", runs, () =>
    measureFloor(work, cold.bytes ?? 0),
  );
  const figures = [cold, repack, noop, pass, ...theirs.all, floor];
  const ratios = {
    "pipeline from nothing / cold pack": theirs.whole.seconds / cold.seconds,
    "pipeline again / one overlay file changed": theirs.again.seconds / repack.seconds,
    "rsync -naHX / pass with nothing to do": theirs.compare.seconds / pass.seconds,
    "cold pack / floor": cold.seconds / floor.seconds,
  };
  print(figures, ratios);
  if (options.json !== undefined) {
    const report = { cores: availableParallelism(), figures, ratios };
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  }
}

/** A tarball of the given tree, or the one that the tests use. */
function tarballOf(root: string | undefined): string {
  if (root !== undefined) {
    const path = join(work, "root.tar");
    execFileSync("tar", ["--create", "--one-file-system", `--file=${path}`, `--directory=${root}`, "."]);
    return path;
  }
  const path = new URL("../../.cache/test/minbase-bookworm.tar", import.meta.url).pathname;
  if (!existsSync(path)) throw new Error(`${path} is missing: run sh test/prepare, or give --root DIR`);
  return path;
}

/** A Markdown table, then the ratios. */
function print(figures: readonly Figure[], ratios: Readonly<Record<string, number>>): void {
  console.log(`${availableParallelism()} cores, Node ${process.versions.node}, medians\n`);
  console.log("| what | seconds | size |\n|---|---:|---:|");
  for (const { name, seconds, bytes } of figures) {
    const size = bytes === undefined ? "" : `${(bytes / 1e6).toFixed(1)} MB`;
    console.log(`| ${name} | ${seconds.toFixed(seconds < 1 ? 3 : 2)} | ${size} |`);
  }
  console.log("\n| ratio | times |\n|---|---:|");
  for (const [name, ratio] of Object.entries(ratios)) console.log(`| ${name} | ${ratio.toFixed(1)} |`);
}
