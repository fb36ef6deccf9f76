import { POINTS } from "../kills/points.ts";
import type { RunResult } from "./run.ts";

/** What many runs met, as plain data: workers hand it on as JSON. */
export interface Total {
  readonly runs: number;
  readonly failed: number;
  readonly calls: number;
  readonly duration_ms: number;
  readonly cpu_ms: number;
  /** Happenings, faults and deeds of others, by kind. */
  readonly counts: Readonly<Record<string, number>>;
  readonly crashPoints: readonly string[];
  readonly crashCalls: readonly string[];
}

export const NOTHING: Total = {
  runs: 0,
  failed: 0,
  calls: 0,
  duration_ms: 0,
  cpu_ms: 0,
  counts: {},
  crashPoints: [],
  crashCalls: [],
};

export function totalOf(result: RunResult): Total {
  const { calls, duration_ms, counts, crashPoints, crashCalls, violations } = result;
  return {
    runs: 1,
    failed: violations.length === 0 ? 0 : 1,
    calls,
    duration_ms,
    cpu_ms: 0,
    counts: Object.fromEntries(counts),
    crashPoints: [...crashPoints],
    crashCalls: [...crashCalls],
  };
}

export function sum(one: Total, other: Total): Total {
  const counts = { ...one.counts };
  for (const [name, count] of Object.entries(other.counts)) counts[name] = (counts[name] ?? 0) + count;
  return {
    runs: one.runs + other.runs,
    failed: one.failed + other.failed,
    calls: one.calls + other.calls,
    duration_ms: one.duration_ms + other.duration_ms,
    cpu_ms: one.cpu_ms + other.cpu_ms,
    counts,
    crashPoints: [...new Set([...one.crashPoints, ...other.crashPoints])],
    crashCalls: [...new Set([...one.crashCalls, ...other.crashCalls])],
  };
}

/** The figures for people: what happened how often, points of the journal reached by a death and those never reached. */
export function summary(total: Total): readonly string[] {
  const { runs, failed, calls, counts, duration_ms, cpu_ms, crashPoints, crashCalls } = total;
  const each = (ms: number): string => `${(ms / Math.max(1, runs)).toFixed(1)} ms`;
  const names = Object.keys(counts).sort();
  const reached = POINTS.filter((point) => crashPoints.includes(point));
  const missed = POINTS.filter((point) => !crashPoints.includes(point));
  return [
    ...names.map((name) => `${String(counts[name]).padStart(8)}  ${name}`),
    `${runs} runs, ${failed} failed; ${calls} calls that could change something`,
    `died at ${reached.length} of ${POINTS.length} points of the journal, and at ${crashCalls.length} different calls`,
    ...(missed.length > 0 ? [`not reached: ${missed.join(", ")}`] : []),
    `${each(duration_ms)} a run, ${each(cpu_ms)} of processor time`,
  ];
}
