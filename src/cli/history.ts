import { type CommandDefinition, flagOf, numberOf } from "./command.ts";

export const history: CommandDefinition = {
  name: "history",
  summary: "list the runs that are kept, the newest first",
  options: [
    ["--limit <count>", "how many (default 20)"],
    ["--json", "one JSON document"],
  ],
  examples: [["rootloom history --limit 5", "the last five runs; show one with `rootloom report RUN`"]],
  run: async (context, given) => {
    const session = await context.session();
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
