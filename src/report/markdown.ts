import type { PassResult } from "../pass/types.ts";
import { durationText, sizeText } from "./paint.ts";
import { asReport, type Report, type ReportStep } from "./report.ts";
import { sentence } from "./text.ts";

/** A pass as Markdown: the same facts as the text, for a page or a mail. */
export function toMarkdown(result: PassResult | Report): string {
  const report = asReport(result);
  return `${[
    `# Rootloom report: ${report.result}`,
    "",
    ...headerRows(report),
    ...problemSection(report),
    ...stepSection(report),
    ...artifactSection(report),
    ...listSection("Notes", report.notes.map(plain)),
    ...listSection("Uncommitted, not applied", report.uncommitted.map(code)),
  ].join("\n")}\n`;
}

function headerRows(report: Report): readonly string[] {
  const revision = report.revision === "" ? "worktree" : code(report.revision);
  return [
    "| | |",
    "|---|---|",
    `| commit | ${revision} ${cell(report.subject)} |`,
    `| author | ${cell(report.author)} |`,
    `| run | ${code(report.runId)} (${report.mode}, ${cell(report.trigger)}) |`,
    `| time | ${report.startedAt}, ${durationText(report.duration_ms)} |`,
  ];
}

function problemSection(report: Report): readonly string[] {
  const documents = report.documentProblems.map(
    ({ file, line, column, message, hint }) => `${code(`${file}:${line}:${column}`)} ${plain(message)} ${plain(hint)}`,
  );
  const planned = report.problems.map(({ id, message, hint }) => `${id ?? ""} ${plain(message)} ${plain(hint)}`);
  return listSection(
    "Problems",
    [...documents, ...planned].map((line) => line.trim()),
  );
}

function stepSection(report: Report): readonly string[] {
  const shown = report.steps.filter((step) => step.operation !== "keep" || step.blocked !== null);
  const kept = report.steps.length - shown.length;
  if (shown.length === 0) return ["", `Nothing to do: all ${kept} resources are as declared.`];
  return [
    "",
    "## Steps",
    "",
    "| resource | action | cause | why | result |",
    "|---|---|---|---|---|",
    ...shown.map(
      (step) => `| ${code(step.id)} | ${step.action} | ${step.cause} | ${cell(step.reason)} | ${cell(outcome(step))} |`,
    ),
    "",
    `${kept} more as declared.`,
    ...shown.flatMap(detailSection),
  ];
}

function outcome(step: ReportStep): string {
  const why = step.error?.message ?? step.blocked?.message;
  return why === undefined ? sentence(step) : `${sentence(step)}: ${why}`;
}

function detailSection(step: ReportStep): readonly string[] {
  const lines = [...step.details, ...(step.error?.details ?? [])];
  const notes = step.notes.map((note) => `- ${plain(note)}`);
  if (lines.length + notes.length === 0) return [];
  const heading = ["", `### ${step.id}`, "", ...notes];
  if (lines.length === 0) return heading;
  // A fence longer than any run of backticks in the details cannot be closed by them.
  const longest = Math.max(2, ...lines.flatMap((line) => (line.match(/`+/g) ?? []).map((run) => run.length)));
  const fence = "`".repeat(longest + 1);
  return [...heading, ...(notes.length === 0 ? [] : [""]), `${fence}diff`, ...lines, fence];
}

function artifactSection(report: Report): readonly string[] {
  if (report.artifacts.length === 0) return [];
  return [
    "",
    "## Artifacts",
    "",
    "| artifact | path | size | sha256 | generation |",
    "|---|---|---|---|---|",
    ...report.artifacts.map(
      ({ id, path, size_bytes, sha256, generation }) =>
        `| ${code(id)} | ${code(path)} | ${sizeText(size_bytes)} | ${code(sha256)} | ${code(generation)} |`,
    ),
  ];
}

function listSection(title: string, items: readonly string[]): readonly string[] {
  return items.length === 0 ? [] : ["", `## ${title}`, "", ...items.map((item) => `- ${item}`)];
}

function code(text: string): string {
  return text === "" ? "" : `\`${text.replaceAll("`", "'").replaceAll("|", "\\|").replaceAll("\n", " ")}\``;
}

function cell(text: string): string {
  return plain(text).replaceAll("|", "\\|");
}

function plain(text: string): string {
  return text.replaceAll("\n", " ").replace(/[<>*_`]/g, (character) => `\\${character}`);
}
