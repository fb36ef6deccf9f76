import type { Json } from "../core/digest.ts";
import type { PassResult } from "../pass/types.ts";
import { painter, type TextOptions } from "./paint.ts";
import { problemsJson, stepJson } from "./plan-json.ts";
import { asReport, type Report, type ReportStep } from "./report.ts";
import { problemLines, stepLines, uncommittedLines } from "./text.ts";

/**
 * The steps that answer the host's own drift: it differs from what was last applied. What only the
 * commit changed is no drift, nor is a step that only follows another one.
 */
export function driftSteps(result: PassResult | Report): readonly ReportStep[] {
  return asReport(result).steps.filter((step) => step.cause === "corrective" && step.follows === null && isOpen(step));
}

/** What `drift --json` prints. `pending` counts changes of the commit that wait to be applied. */
export function driftJson(result: PassResult | Report): { readonly [key: string]: Json } {
  const report = asReport(result);
  return {
    revision: report.revision,
    runId: report.runId,
    drift: driftSteps(report).map((step) => ({ ...stepJson(step), origin: step.origin?.document ?? null })),
    pending: pendingSteps(report).length,
    uncommitted: report.uncommitted,
    problems: problemsJson(report),
  };
}

/** What changed behind the program's back, and why a pass would correct it. */
export function driftText(result: PassResult | Report, options: TextOptions): string {
  const report = asReport(result);
  const paint = painter(options.color);
  if (report.documentProblems.length > 0) return `${problemLines(report, paint).join("\n")}\n`;
  const drifted = driftSteps(report);
  const pending = pendingSteps(report).length;
  const count = `${drifted.length} resource${drifted.length === 1 ? "" : "s"}`;
  const lines = [
    drifted.length === 0
      ? paint("green", "no drift: the host is as it was last applied")
      : paint("bold", `drift: ${count} differ${drifted.length === 1 ? "s" : ""} from what was last applied`),
    ...drifted.flatMap((step) => [...stepLines(step, options, paint), ...originLine(step, paint)]),
    ...(pending === 0 ? [] : [`not drift: ${pending} change${pending === 1 ? "" : "s"} of the commit to be applied`]),
    ...uncommittedLines(report, options, paint),
    ...(drifted.some((step) => step.blocked === null) ? [`${paint("cyan", "next:")} rootloom apply`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function pendingSteps(report: Report): readonly ReportStep[] {
  return report.steps.filter((step) => step.cause === "intentional" && isOpen(step));
}

function isOpen(step: ReportStep): boolean {
  return step.operation !== "keep" || step.blocked !== null;
}

function originLine(step: ReportStep, paint: ReturnType<typeof painter>): readonly string[] {
  if (step.origin === null) return [];
  const { document, file, line } = step.origin;
  return [paint("dim", `      declared by ${document} (${file}:${line})`)];
}
