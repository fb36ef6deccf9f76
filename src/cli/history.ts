import type { Session } from "../pass/types.ts";
import { type CliContext, type CommandDefinition, flagOf, type Given, numberOf } from "./command.ts";

export const history: CommandDefinition = {
  name: "history",
  summary: "list the runs that are kept, the newest first",
  options: [
    ["--limit <count>", "how many (default 20)"],
    ["--enter", "who was in which root instead, and with which command"],
    ["--json", "one JSON document"],
  ],
  examples: [
    ["rootloom history --limit 5", "the last five runs; show one with `rootloom report RUN`"],
    ["rootloom history --enter", "the last shells and commands in roots, with their exit codes"],
  ],
  run: async (context, given) => {
    const session = await context.session();
    if (flagOf(given, "enter")) return showEntries(context, session, given);
    const { openState } = await import("../state/state.ts");
    const { table } = await import("../report/paint.ts");
    const state = openState(session.host, session.configuration.state, "read");
    const runs = state.runs(numberOf(given, "limit") ?? 20);
    state.close();
    if (flagOf(given, "json")) context.output.document({ runs });
    else if (runs.length === 0) context.output.write("no runs yet: rootloom apply\n");
    else {
      const rows = runs.map(({ runId, startedAt, result, trigger, revision, summary }) => {
        const changes = Object.entries(summary).filter(([action, count]) => action !== "keep" && count > 0);
        const text = changes.map(([action, count]) => `${count} ${action}`).join(", ");
        return [runId, startedAt, result, trigger, revision.slice(0, 12), text === "" ? "nothing to do" : text];
      });
      context.output.write(`${table(rows, context.output).join("\n")}\n`);
    }
    return 0;
  },
};

async function showEntries(context: CliContext, session: Session, given: Given): Promise<number> {
  const { listEntries } = await import("../state/entries.ts");
  const { table } = await import("../report/paint.ts");
  const entries = listEntries(session.host, session.configuration.state, numberOf(given, "limit") ?? 20);
  if (flagOf(given, "json")) context.output.document({ entries });
  else if (entries.length === 0) context.output.write("nobody was in a root yet: rootloom enter ROOT\n");
  else {
    const rows = entries.map(({ root, who, pid, command, startedAt, endedAt, exitCode }) => {
      const end = endedAt === undefined ? `not ended, pid ${pid}` : `exit ${exitCode}`;
      return [startedAt, endedAt ?? "", root, who, end, command.length === 0 ? "(a shell)" : command.join(" ")];
    });
    context.output.write(`${table(rows, context.output).join("\n")}\n`);
  }
  return 0;
}
