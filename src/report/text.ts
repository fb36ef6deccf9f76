import type { PassResult } from "../pass/types.ts";
import { durationText, type Paint, painter, type Style, sizeText, type TextOptions, table, wrap } from "./paint.ts";
import { asReport, type Report, type ReportStep } from "./report.ts";

/** A pass for people: what would be done or was done, why, what is in the way, where the artifacts are, what to do next. */
export function toText(result: PassResult | Report, options: TextOptions, shown?: readonly ReportStep[]): string {
  const report = asReport(result);
  const paint = painter(options.color);
  if (report.documentProblems.length > 0) return join(problemLines(report, paint));
  const steps = shown ?? report.steps;
  const lines = [
    headline(report, paint),
    ...steps.filter((step) => !isQuiet(step)).flatMap((step) => stepLines(step, options, paint)),
    ...keptLine(steps, paint),
    ...artifactLines(report, options, paint),
    ...planProblemLines(report, steps, options, paint),
    ...report.notes.flatMap((note) => wrap(`${paint("yellow", "note:")} ${note}`, options.width)),
    ...uncommittedLines(report, options, paint),
    ...nextLines(report, steps, paint),
  ];
  return join(lines);
}

/** `file:line:col: what: why`, one a problem, and what they mean. */
export function problemLines(report: Pick<Report, "documentProblems">, paint: Paint): readonly string[] {
  const lines = report.documentProblems.flatMap(({ file, line, column, message, hint }) => [
    `${paint("bold", `${file}:${line}:${column}:`)} ${message}`,
    ...(hint === "" ? [] : [paint("dim", `    hint: ${hint}`)]),
  ]);
  const count = report.documentProblems.length;
  return [
    ...lines,
    paint("red", `${count} problem${count === 1 ? "" : "s"}: nothing is planned until they are mended`),
  ];
}

/** Paths that a pass saw and does not apply. */
export function uncommittedLines(
  report: Pick<Report, "uncommitted">,
  options: TextOptions,
  paint: Paint,
): readonly string[] {
  const paths = report.uncommitted;
  if (paths.length === 0) return [];
  const more = paths.length > 8 ? ` and ${paths.length - 8} more` : "";
  const text = `uncommitted, not applied: ${paths.slice(0, 8).join(", ")}${more}`;
  return wrap(text, options.width).map((line) => paint("yellow", line));
}

const marks: Readonly<Record<ReportStep["action"], readonly [string, Style]>> = {
  keep: ["=", "dim"],
  create: ["+", "green"],
  update: ["~", "yellow"],
  replace: ["±", "red"],
  delete: ["-", "red"],
  adopt: ["»", "cyan"],
  forget: ["«", "cyan"],
};

/** Lines of one step: what, then why and details below it. */
export function stepLines(step: ReportStep, options: TextOptions, paint: Paint): readonly string[] {
  const failed = step.status === "failed";
  const [mark, style] = failed ? (["✗", "red"] as const) : marks[step.action];
  const time = step.duration_ms >= 1000 ? paint("dim", ` (${durationText(step.duration_ms)})`) : "";
  const below: [string, string][] = [["why", `${step.reason} (${step.cause})`]];
  if (step.destroys !== null) below.push(["destroys", step.destroys]);
  for (const note of step.notes) below.push(["note", note]);
  if (step.error !== null) {
    below.push(["error", step.error.message]);
    for (const detail of step.error.details) below.push(["", detail]);
    if (step.error.hint !== "") below.push(["hint", step.error.hint]);
  } else if (step.blocked !== null) {
    below.push([blockedWord(step.blocked.condition), step.blocked.message]);
    if (step.blocked.hint !== "") below.push(["hint", step.blocked.hint]);
  } else if (step.status === "skipped") {
    below.push(["waits", step.result]);
  }
  const paintLabel = (cell: string, _row: number, column: number) => (column === 0 ? paint("dim", cell) : cell);
  return [
    `  ${paint(style, mark)} ${sentence(step)}${time}`,
    ...table(below, { ...options, indent: 6, style: paintLabel }),
    ...step.details.map((detail) => `      ${paint(detailStyle(detail), detail)}`),
  ];
}

/** "the root debian has been filled from mmdebstrap bookworm". */
export function sentence(step: ReportStep): string {
  const { object, done, result } = step;
  switch (step.status) {
    case "planned":
      return step.operation === "keep"
        ? `the ${object} could not be checked`
        : `the ${object} ${step.blocked === null ? "will" : "would"} be ${done}`;
    case "done":
      // A bare "created" says less than the operation's own words; "packed as generation 3f2a" says more.
      return `the ${object} has been ${result.includes(" ") ? result : done}`;
    case "kept":
      return `the ${object} is as declared`;
    case "failed":
      return `the ${object} could not be ${done}`;
    case "interrupted":
      return `the ${object} was interrupted before it was ${done}`;
    case "skipped":
      return step.operation === "keep" ? `the ${object} could not be checked` : `the ${object} has not been ${done}`;
  }
}

function blockedWord(condition: NonNullable<ReportStep["blocked"]>["condition"]): string {
  const words = {
    ApprovalRequired: "waits",
    Suspended: "suspended",
    Stalled: "stalled",
    Quarantined: "quarantined",
    Waiting: "waits",
    Refused: "refused",
    ReportOnly: "reported",
  };
  return words[condition];
}

function detailStyle(detail: string): Style {
  if (detail.startsWith("+")) return "green";
  if (detail.startsWith("-")) return "red";
  return "dim";
}

/** A step that is as declared says nothing of its own. */
function isQuiet(step: ReportStep): boolean {
  return step.operation === "keep" && step.blocked === null;
}

function headline(report: Report, paint: Paint): string {
  const revision = report.revision === "" ? "the worktree (not committed)" : `commit ${report.revision.slice(0, 12)}`;
  const subject = report.subject === "" ? "" : ` "${report.subject}"`;
  const author = report.author === "" ? "" : ` by ${report.author}`;
  const verb = report.mode === "plan" ? "plan for" : "apply of";
  const time = report.mode === "plan" ? "" : paint("dim", ` in ${durationText(report.duration_ms)}`);
  return `${paint("bold", `${verb} ${revision}`)}${subject}${paint("dim", author)}${time}`;
}

function keptLine(steps: readonly ReportStep[], paint: Paint): readonly string[] {
  const kept = steps.filter(isQuiet).length;
  if (kept === 0) return [];
  const all = kept === steps.length;
  return [paint("dim", all ? `  = nothing to do: all ${kept} are as declared` : `  = ${kept} as declared`)];
}

function artifactLines(report: Report, options: TextOptions, paint: Paint): readonly string[] {
  if (report.mode === "plan") return [];
  return report.artifacts.flatMap((artifact) => [
    `${paint("bold", artifact.id)}  ${artifact.path}`,
    ...table(
      [
        ["size", `${sizeText(artifact.size_bytes)} (${artifact.size_bytes} bytes)`],
        ["sha256", artifact.sha256],
        ["generation", artifact.generation],
      ],
      { ...options, indent: 2 },
    ),
  ]);
}

/** Problems of the plan that no step above has already told. */
function planProblemLines(
  report: Report,
  steps: readonly ReportStep[],
  options: TextOptions,
  paint: Paint,
): readonly string[] {
  const told = new Set(steps.map((step) => step.blocked?.message));
  return report.problems
    .filter((problem) => !told.has(problem.message))
    .flatMap(({ id, message, hint }) => [
      ...wrap(`${paint("red", "problem:")} ${id === undefined ? "" : `${id}: `}${message}`, options.width),
      ...(hint === "" ? [] : [`  hint: ${hint}`]),
    ]);
}

function nextLines(report: Report, steps: readonly ReportStep[], paint: Paint): readonly string[] {
  const open = steps.filter((step) => !isQuiet(step) && step.status !== "done");
  const runnable = open.filter((step) => step.blocked === null);
  const next = open.flatMap((step) =>
    step.blocked?.condition === "ApprovalRequired" ? [`rootloom approve ${step.id}`] : [],
  );
  if (report.mode === "plan" && runnable.length > 0 && report.revision !== "") next.unshift("rootloom apply");
  const told = next.map((command) => `${paint("cyan", "next:")} ${command}`);
  return report.mode === "apply" ? [...told, verdict(report, paint)] : told;
}

function verdict(report: Report, paint: Paint): string {
  const words: Readonly<Record<Report["result"], readonly [Style, string]>> = {
    converged: ["green", "converged: the host is as the commit says"],
    failed: ["red", "failed: see the steps marked above; what did not depend on them has been done"],
    waiting: ["yellow", "not converged: something above waits"],
    invalid: ["red", "invalid: nothing was applied"],
    interrupted: ["yellow", "interrupted: the next apply goes on from here"],
  };
  const [style, text] = words[report.result];
  return paint(style, text);
}

function join(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}
