import { type CommandDefinition, flagOf, textOf } from "./command.ts";
import { look } from "./look.ts";
import { writePlanFile } from "./plan-file.ts";

export const plan: CommandDefinition = {
  name: "plan",
  summary: "show what an apply would do; changes nothing",
  argument: ["[name...]", "only these resources"],
  options: [
    ["--json", "one JSON document"],
    ["--worktree", "try the uncommitted files; they are never applied"],
    ["--out <file>", "write a plan file for `rootloom apply FILE`"],
  ],
  examples: [
    ["rootloom plan", "all of it; exit code 0: nothing to do, 2: differences, 1: error"],
    ["rootloom plan tree/debian --json", "one resource, for a program"],
    ["rootloom plan --out today.plan && rootloom apply today.plan", "apply exactly what was read"],
  ],
  run: async (context, given) => {
    const worktree = flagOf(given, "worktree");
    const { report, shown, session } = await look(context, given.names, { flags: { worktree }, withoutState: true });
    const { planExitCode } = await import("../report/exit-code.ts");
    const out = textOf(given, "out");
    if (out !== undefined) writePlanFile(session, context.directory, out, report);
    if (flagOf(given, "json")) {
      const { planJson } = await import("../report/plan-json.ts");
      context.output.document(planJson(report, shown));
    } else {
      const { toText } = await import("../report/text.ts");
      context.output.write(toText(report, context.output, shown));
    }
    return planExitCode(report, shown);
  },
};
