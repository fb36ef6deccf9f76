import type { CommandResult } from "../pass/commands.ts";
import type { Session } from "../pass/types.ts";
import { toText } from "../report/text.ts";
import type { CliContext } from "./command.ts";
import { interruption } from "./interruption.ts";
import { showProgress } from "./progress.ts";
import { type Request, request } from "./request.ts";

/**
 * Executes a changing command and shows it: events as JSON lines with `change_summary` last, or progress
 * on standard error and then the report.
 */
export async function runRequest(
  context: CliContext,
  session: Session,
  asked: Request,
  json: boolean,
): Promise<CommandResult> {
  const { output } = context;
  const progress = showProgress(output, session.host.clock);
  const notice = () => output.error("\ninterrupted: what can stop stops now; the next apply goes on from here\n");
  const { signal, release } = interruption(session.host, notice);
  try {
    const emit = json ? (event: { type: string }) => isSummary(event) || output.line(event) : progress.event;
    const result = await request(session, asked, emit, signal);
    progress.end();
    if (json) writeSummary(context, result);
    else {
      for (const line of result.lines) output.write(`${line}\n`);
      if (result.report !== undefined) output.write(toText(result.report, output));
    }
    return result;
  } finally {
    progress.end();
    release();
  }
}

/** The summary comes once, from the report, whoever ran the pass. */
function isSummary(event: { readonly type: string }): boolean {
  return event.type === "change_summary";
}

function writeSummary(context: CliContext, result: CommandResult): void {
  const { report, lines, exitCode } = result;
  if (report === undefined) {
    context.output.line({ type: "change_summary", result: lines.join("; "), exitCode });
    return;
  }
  context.output.line({
    type: "change_summary",
    runId: report.runId,
    revision: report.revision,
    result: report.result,
    summary: report.summary,
    artifacts: report.artifacts,
    problems: [...report.documentProblems, ...report.problems],
    uncommitted: report.uncommitted,
    duration_ms: report.duration_ms,
  });
}
