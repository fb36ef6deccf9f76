import { type CommandDefinition, flagOf } from "./command.ts";
import { look } from "./look.ts";

export const drift: CommandDefinition = {
  name: "drift",
  summary: "show what differs from what was last applied, and why; changes nothing",
  options: [["--json", "one JSON document"]],
  examples: [
    ["rootloom drift", "exit code 0: none, 2: drift, 1: error"],
    ["rootloom drift --json", "for a program"],
  ],
  run: async (context, given) => {
    const { report } = await look(context, []);
    const { driftJson, driftText } = await import("../report/drift.ts");
    const { driftExitCode } = await import("../report/exit-code.ts");
    if (flagOf(given, "json")) context.output.document(driftJson(report));
    else context.output.write(driftText(report, context.output));
    return driftExitCode(report);
  },
};
