/**
 * Measures `rootloom validate` on a tree of 5,000 documents with 200 errors, with an empty cache and with a filled one:
 *
 *     node test/bench/validate.ts [--runs N]
 *
 * Once with a file for each document, once with a hundred documents in a file. Figures are medians of `--runs` (5) runs.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { manyDocuments } from "../documents/many.ts";

const ERRORS = 200;
const { values: options } = parseArgs({ options: { runs: { type: "string", default: "5" } } });
const runs = Number(options.runs);
const work = mkdtempSync(join(tmpdir(), "rootloom-bench-"));

try {
  console.log(`${availableParallelism()} cores, Node ${process.versions.node}, medians of ${runs}\n`);
  console.log("| 5,000 documents, 200 errors | seconds |\n|---|---:|");
  for (const [name, documentsInFile] of [
    ["a file each", 1],
    ["a hundred in a file", 100],
  ] as const) {
    const site = makeSite(join(work, String(documentsInFile)), manyDocuments(documentsInFile));
    const cold = Array.from({ length: runs }, () => site.seconds({ cold: true }));
    const warm = Array.from({ length: runs }, () => site.seconds({ cold: false }));
    console.log(`| ${name}, empty cache | ${middle(cold).toFixed(2)} |`);
    console.log(`| ${name}, again | ${middle(warm).toFixed(2)} |`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

function makeSite(directory: string, files: Readonly<Record<string, string>>) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  const git = (...words: readonly string[]): void =>
    void execFileSync("git", ["-c", "user.name=Bench", "-c", "user.email=bench@example.invalid", ...words], {
      cwd: directory,
    });
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git("commit", "-q", "-m", "many");
  const [state, cache] = [join(directory, "state"), join(directory, "cache")];
  const program = new URL("../../src/rootloom", import.meta.url).pathname;
  const seconds = ({ cold }: { readonly cold: boolean }): number => {
    if (cold) rmSync(cache, { recursive: true, force: true });
    const begun_ms = performance.now();
    const ran = spawnSync(program, ["--state", state, "--cache", cache, "validate", "--json"], {
      cwd: directory,
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    const took_ms = performance.now() - begun_ms;
    const { length } = JSON.parse(ran.stdout).problems;
    if (length !== ERRORS) throw new Error(`${length} errors were reported, not ${ERRORS}: ${ran.stderr}`);
    return took_ms / 1000;
  };
  return { seconds };
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
