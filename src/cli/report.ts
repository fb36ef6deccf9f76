import { RootloomError } from "../core/error.ts";
import type { Session } from "../pass/types.ts";
import type { Report } from "../report/report.ts";
import { type CliContext, type CommandDefinition, textOf } from "./command.ts";
import { readImageReport } from "./image-report.ts";

const RUN = /^\d{8}T\d{6}Z-/;

export const report: CommandDefinition = {
  name: "report",
  summary: "show the report of a run (the last one, unless told), or of an image: what it is made of and what grew",
  argument: ["[what]", "id of a run, from `rootloom history`; or an image"],
  options: [["--format <format>", "text, json or md (default text)"]],
  examples: [
    ["rootloom report", "the last run"],
    ["rootloom report --format md > report.md", "for a page"],
    [
      "rootloom report image/debian",
      "sizes by layer and directory, the largest files, what grew since the generation before",
    ],
  ],
  run: async (context, given) => {
    const session = await context.session();
    const [what] = given.names;
    if (what !== undefined && !RUN.test(what)) return printImage(context, session, what, textOf(given, "format"));
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
    else throw unknownFormat(format);
    return 0;
  },
};

async function printImage(context: CliContext, session: Session, name: string, format = "text"): Promise<number> {
  const found = await readImageReport(session, name);
  const { imageReportMarkdown, imageReportText } = await import("../report/image-report-text.ts");
  if (format === "json") context.output.document(found);
  else if (format === "md") context.output.write(imageReportMarkdown(found));
  else if (format === "text") context.output.write(imageReportText(found, context.output));
  else throw unknownFormat(format);
  return 0;
}

function unknownFormat(format: string): RootloomError {
  return new RootloomError(`cannot print a report as ${format}`, { hint: "one of text, json, md" });
}
