/** Fuzzes longer than the suite does: `node test/fuzz/main.ts [--minutes N] [--seed S] [--target NAME]`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fuzz, TARGETS } from "./targets.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string" }, seed: { type: "string" }, target: { type: "string" } },
});
const names = values.target === undefined ? [...TARGETS.keys()] : [values.target];
const unknown = names.find((name) => !TARGETS.has(name));
if (unknown !== undefined) throw new Error(`no target ${unknown}: ${[...TARGETS.keys()].join(", ")}`);
// A seed alone is one case; without one, each run looks at others.
const from = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
const minutes = Number(values.minutes ?? (values.seed === undefined ? 1 : 0));
const directory = mkdtempSync(join(tmpdir(), "rootloom-fuzz-"));
try {
  for (const name of names) {
    const cases = await fuzz(name, from, (minutes * 60_000) / names.length, directory);
    const held_mebibytes = Math.round(process.resourceUsage().maxRSS / 1024);
    console.log(`${name}: ${cases} cases from seed ${from}, ${held_mebibytes} MiB at most so far`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
