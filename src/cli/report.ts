import { RootloomError } from "../core/error.ts";
import type { Report } from "../report/report.ts";
import { type CommandDefinition, textOf } from "./command.ts";

export const report: CommandDefinition = {
  name: "report",
  summary: "show the report of a run (the last one, unless told)",
  argument: ["[run]", "id of a run, from `rootloom history`"],
  options: [["--format <format>", "text, json or md (default text)"]],
  examples: [
    ["rootloom report", "the last run"],
    ["rootloom report --format md > report.md", "for a page"],
  ],
  run: async (context, given) => {
    const session = await context.session();
    const { openState } = await import("../state/state.ts");
    const state = openState(session.host, session.configuration.state, "read");
    const [run] = given.names;
    const found = state.report(run) as unknown as Report | undefined;
    state.close();
    if (found === undefined) {
      const what = run === undefined ? "there was no run yet" : `there is no run ${run}`;
      throw new RootloomError(`cannot show a report: ${what}`, {
        hint: run === undefined ? "rootloom apply" : "see the runs that are kept: rootloom history",
      });
    }
    const format = textOf(given, "format") ?? "text";
    if (format === "json") context.output.document(found);
    else if (format === "md") context.output.write((await import("../report/markdown.ts")).toMarkdown(found));
    else if (format === "text") context.output.write((await import("../report/text.ts")).toText(found, context.output));
    else throw new RootloomError(`cannot print a report as ${format}`, { hint: "one of text, json, md" });
    return 0;
  },
};
