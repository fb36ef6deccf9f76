import type { Json } from "../core/digest.ts";
import type { PassResult } from "../pass/types.ts";
import { asReport, countActions, type Report, type ReportStep } from "./report.ts";

/**
 * The document that `plan --json` prints: revision, runId, steps (keep ones too), summary, problems.
 * Problems of documents carry file, line and column; problems of the plan carry the resource's id.
 */
export function planJson(result: PassResult | Report, shown?: readonly ReportStep[]): { readonly [key: string]: Json } {
  const report = asReport(result);
  const steps = shown ?? report.steps;
  return {
    revision: report.revision,
    runId: report.runId,
    treeHash: report.treeHash,
    steps: steps.map(stepJson),
    summary: countActions(steps),
    problems: problemsJson(report),
    uncommitted: report.uncommitted,
    notes: report.notes,
    planDigest: report.planDigest,
  };
}

export function stepJson(step: ReportStep): { readonly [key: string]: Json } {
  const { id, kind, name, action, cause, reason, destroys, replaces, operation, details, digest } = step;
  const blocked = step.blocked === null ? null : { ...step.blocked };
  return { id, kind, name, action, cause, reason, destroys, replaces, operation, details, blocked, digest };
}

export function problemsJson(report: Report): readonly Json[] {
  const documents = report.documentProblems.map(({ file, line, column, message, hint }) => ({
    file,
    line,
    column,
    message,
    hint,
  }));
  const planned = report.problems.map(({ id, message, hint }) => ({ id: id ?? null, message, hint }));
  return [...documents, ...planned];
}
