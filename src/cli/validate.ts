import { type CommandDefinition, flagOf } from "./command.ts";

export const validate: CommandDefinition = {
  name: "validate",
  summary: "check the desired state; every problem with its file, line and column",
  options: [
    ["--json", "one JSON document"],
    ["--worktree", "check the uncommitted files"],
  ],
  examples: [
    ["rootloom validate", "exit code 0: valid, 1: not"],
    ["rootloom validate --worktree", "before the commit"],
  ],
  run: async (context, given) => {
    const session = await context.session({ worktree: flagOf(given, "worktree") });
    const { loadDesired } = await import("../pass/desired.ts");
    const { snapshot, status, graph, problems } = await loadDesired(session);
    const { revision } = snapshot;
    const { uncommitted } = await status();
    const valid = problems.length === 0;
    if (flagOf(given, "json")) {
      context.output.document({ valid, revision, resources: graph.resources.length, problems, uncommitted });
      return valid ? 0 : 1;
    }
    const { painter } = await import("../report/paint.ts");
    const { problemLines, uncommittedLines } = await import("../report/text.ts");
    const paint = painter(context.output.color);
    const what = revision === "" ? "the worktree" : `commit ${revision.slice(0, 12)}`;
    const lines = valid
      ? [paint("green", `valid: ${what} declares ${graph.resources.length} resources`)]
      : problemLines({ documentProblems: problems }, paint);
    context.output.write(`${[...lines, ...uncommittedLines({ uncommitted }, context.output, paint)].join("\n")}\n`);
    return valid ? 0 : 1;
  },
};
