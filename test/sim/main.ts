import { parseArgs } from "node:util";
import { DELIBERATE_FAULTS, type DeliberateFault } from "./deliberate.ts";
import { type RunResult, runSeed } from "./run.ts";
import { readHistory, shrink, writeHistory } from "./shrink.ts";

/**
 * `node test/sim/main.ts --seeds N --from S`: runs N seeds and says what they met. Exit code 1 when one failed.
 * `--seed N --trace [--history H]` replays one; `--fault NAME` puts a deliberate fault in; `--list-faults` names them.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    history: { type: "string" },
    fault: { type: "string" },
    "list-faults": { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
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
  return values.seed === undefined ? runMany(fault) : replay(Number(values.seed), fault);
}

async function replay(seed: number, fault: DeliberateFault | undefined): Promise<number> {
  const history = values.history === undefined ? {} : { history: readHistory(values.history) };
  const result = await runSeed(seed, { fault, ...history });
  if (values.trace) print(result.trace.join("\n"));
  for (const { rule, what } of result.violations) print(`${rule}: ${what}`);
  if (result.violations.length === 0) print(`seed ${seed} holds`);
  return result.violations.length === 0 ? 0 : 1;
}

async function runMany(fault: DeliberateFault | undefined): Promise<number> {
  const total: Total = { runs: 0, failed: 0, calls: 0, duration_ms: 0, counts: new Map(), crashPoints: new Set() };
  const cpu = process.cpuUsage();
  const from = Number(values.from);
  for (let seed = from; seed < from + Number(values.seeds); seed += 1) {
    const result = await runSeed(seed, { fault });
    add(total, result);
    if (result.violations.length === 0) continue;
    total.failed += 1;
    await tell(result, fault);
    if (fault !== undefined) break;
  }
  const { user, system } = process.cpuUsage(cpu);
  summarise(total, (user + system) / 1000);
  return total.failed === 0 ? 0 : 1;
}

interface Total {
  runs: number;
  failed: number;
  calls: number;
  duration_ms: number;
  readonly counts: Map<string, number>;
  readonly crashPoints: Set<string>;
}

function add(total: Total, result: RunResult): void {
  total.runs += 1;
  total.calls += result.calls;
  total.duration_ms += result.duration_ms;
  for (const [name, count] of result.counts) total.counts.set(name, (total.counts.get(name) ?? 0) + count);
  for (const point of result.crashPoints) total.crashPoints.add(point);
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

function summarise(total: Total, cpu_ms: number): void {
  for (const [name, count] of [...total.counts].sort(([one], [other]) => (one < other ? -1 : 1))) {
    print(`${String(count).padStart(8)}  ${name}`);
  }
  const each = (ms: number): string => `${(ms / Math.max(1, total.runs)).toFixed(1)} ms`;
  print(`${total.runs} runs, ${total.failed} failed; ${total.calls} calls that could change something`);
  print(`${total.crashPoints.size} different crash points reached`);
  print(`${each(total.duration_ms)} a run, ${each(cpu_ms)} of processor time`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
