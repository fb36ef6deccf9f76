import { driftSteps } from "./drift.ts";
import type { Report, ReportStep } from "./report.ts";
import type { Verdict } from "./status.ts";

/** 0: nothing to do, 2: differences, 1: documents or the plan have problems. */
export function planExitCode(report: Report, steps: readonly ReportStep[] = report.steps): number {
  if (report.documentProblems.length > 0) return 1;
  const shown = new Set(steps.map((step) => step.id));
  if (report.problems.some((problem) => problem.id === undefined || shown.has(problem.id))) return 1;
  return steps.some((step) => step.operation !== "keep") ? 2 : 0;
}

/** 0: none, 2: drift, 1: documents have problems, or something could not be looked at. */
export function driftExitCode(report: Report): number {
  if (report.documentProblems.length > 0) return 1;
  const drifted = driftSteps(report);
  if (drifted.some((step) => step.operation !== "keep")) return 2;
  return drifted.length > 0 ? 1 : 0;
}

/** 0: converged, or all that is left was suspended or is only reported by policy; 1: anything else. */
export function applyExitCode(report: Report): number {
  if (report.result === "converged") return 0;
  return report.result === "waiting" && isLeftByPolicy(report) ? 0 : 1;
}

/** `--detailed-exitcode`: 0 nothing done, 2 changed, 4 failed or refused, 6 both. */
export function detailedExitCode(report: Report): number {
  const changed = report.steps.some((step) => step.status === "done") ? 2 : 0;
  return changed + (applyExitCode(report) === 0 ? 0 : 4);
}

export function statusExitCode(verdict: Verdict): number {
  return { Ready: 0, NotReady: 2, Stalled: 4 }[verdict];
}

/** True when whatever is blocked is so because a person or the policy wants it. */
export function isLeftByPolicy(report: Pick<Report, "steps">): boolean {
  const blocked = report.steps.flatMap((step) => (step.blocked === null ? [] : [step.blocked.condition]));
  return blocked.length > 0 && blocked.every((condition) => condition === "Suspended" || condition === "ReportOnly");
}
