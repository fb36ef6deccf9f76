import { type CommandDefinition, flagOf } from "./command.ts";

export const apply: CommandDefinition = {
  name: "apply",
  summary: "converge the host to the commit",
  argument: ["[planfile]", "a file of `rootloom plan --out`; refused when the commit or the host has moved"],
  options: [
    ["--yes", "approve what the plan destroys or replaces"],
    ["--json", "one JSON line an event, change_summary last"],
    ["--detailed-exitcode", "0 nothing done, 2 changed, 4 failures, 6 both"],
  ],
  examples: [
    ["rootloom apply", "exit code 0: converged, 1: failed or refused, 5: another pass holds the lock"],
    ["rootloom apply --yes", "also what waits for approval"],
    ["rootloom apply --json | tail -n 1", "the summary, for a program"],
  ],
  run: async (context, given) => {
    const session = await context.session();
    const { runRequest } = await import("./run-request.ts");
    const { applyExitCode, detailedExitCode } = await import("../report/exit-code.ts");
    const [file] = given.names;
    const { readPlanFile } = await import("./plan-file.ts");
    const planDigest = file === undefined ? null : readPlanFile(session, context.directory, file).planDigest;
    const request = { command: "apply", arguments: { yes: flagOf(given, "yes"), planDigest } } as const;
    const result = await runRequest(context, session, request, flagOf(given, "json"));
    if (result.report === undefined) return result.exitCode;
    return flagOf(given, "detailedExitcode") ? detailedExitCode(result.report) : applyExitCode(result.report);
  },
};
