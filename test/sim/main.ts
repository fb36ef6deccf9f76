import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { DELIBERATE_FAULTS, type DeliberateFault } from "./deliberate.ts";
import { type RunResult, runSeed } from "./run.ts";
import { readHistory, shrink, writeHistory } from "./shrink.ts";
import { NOTHING, sum, summary, type Total, totalOf } from "./total.ts";

/**
 * `node test/sim/main.ts --seeds N --from S [--jobs J]`: runs N seeds, in J processes, and says what they met. Exit
 * code 1 when one failed. `--seed N --trace [--history H]` replays one; `--fault NAME` puts a deliberate fault in;
 * `--list-faults` names them.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    jobs: { type: "string", default: "1" },
    seed: { type: "string" },
    history: { type: "string" },
    fault: { type: "string" },
    "list-faults": { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
    // The figures as one line of JSON behind this word: for the process that started this one.
    figures: { type: "string" },
  },
});

process.exitCode = await main();

async function main(): Promise<number> {
  if (values["list-faults"]) {
    for (const { name, seeds, what } of DELIBERATE_FAULTS)
      print(`${name.padEnd(24)} within ${String(seeds).padStart(3)} seeds  ${what}`);
    return 0;
  }
  const fault = DELIBERATE_FAULTS.find(({ name }) => name === values.fault);
  if (values.fault !== undefined && fault === undefined) {
    print(`there is no fault ${values.fault}; see --list-faults`);
    return 1;
  }
  if (values.seed !== undefined) return replay(Number(values.seed), fault);
  const [from, seeds, jobs] = [Number(values.from), Number(values.seeds), Number(values.jobs)];
  const begun_ms = performance.now();
  const total = jobs > 1 ? await runBeside(from, seeds, jobs) : await runHere(from, seeds, fault);
  if (values.figures !== undefined) print(`${values.figures}${JSON.stringify(total)}`);
  else for (const line of summary(total)) print(line);
  if (values.figures === undefined) print(`${((performance.now() - begun_ms) / 1000).toFixed(0)} s in all`);
  return total.failed === 0 && total.runs > 0 ? 0 : 1;
}

async function replay(seed: number, fault: DeliberateFault | undefined): Promise<number> {
  const history = values.history === undefined ? {} : { history: readHistory(values.history) };
  const result = await runSeed(seed, { fault, ...history });
  if (values.trace) print(result.trace.join("\n"));
  for (const { rule, what } of result.violations) print(`${rule}: ${what}`);
  if (result.violations.length === 0) print(`seed ${seed} holds`);
  return result.violations.length === 0 ? 0 : 1;
}

async function runHere(from: number, seeds: number, fault: DeliberateFault | undefined): Promise<Total> {
  const before = process.cpuUsage();
  let total = NOTHING;
  for (let seed = from; seed < from + seeds; seed += 1) {
    const result = await runSeed(seed, { fault });
    total = sum(total, totalOf(result));
    if (result.violations.length === 0) continue;
    await tell(result, fault);
    if (fault !== undefined) break;
  }
  const { user, system } = process.cpuUsage(before);
  return { ...total, cpu_ms: (user + system) / 1000 };
}

/** Shares the seeds out to processes of their own; one that dies counts as a failure of all its seeds. */
async function runBeside(from: number, seeds: number, jobs: number): Promise<Total> {
  const share = Math.ceil(seeds / jobs);
  const starts = Array.from({ length: jobs }, (_, index) => index * share).filter((start) => start < seeds);
  const totals = starts.map((start) => runChild(from + start, Math.min(share, seeds - start)));
  return (await Promise.all(totals)).reduce(sum);
}

async function runChild(from: number, seeds: number): Promise<Total> {
  const word = "figures: ";
  const own = ["--from", String(from), "--seeds", String(seeds), "--figures", word];
  const fault = values.fault === undefined ? [] : ["--fault", values.fault];
  const child = spawn(process.execPath, [import.meta.filename, ...own, ...fault], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let total: Total = { ...NOTHING, runs: seeds, failed: seeds };
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith(word)) total = JSON.parse(line.slice(word.length));
    else print(line);
  }
  return total;
}

/** A failing seed: what broke, the shortest history that still shows it, and the command that replays it. */
async function tell(result: RunResult, fault: DeliberateFault | undefined): Promise<void> {
  const short = await shrink(result, fault);
  print(`\nseed ${result.seed} fails after ${result.history.length} happenings; ${short.history.length} are enough:`);
  for (const { rule, what } of short.violations) print(`  ${rule}: ${what.slice(0, 1000)}`);
  print(short.trace.slice(-60).join("\n"));
  const words = [`--seed ${result.seed} --trace`, `--history '${writeHistory(short.history)}'`];
  print(
    `replay: node test/sim/main.ts ${[...words, ...(fault === undefined ? [] : [`--fault ${fault.name}`])].join(" ")}\n`,
  );
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
