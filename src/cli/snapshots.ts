import { type CommandDefinition, flagOf, nameOf } from "./command.ts";

export const snapshots: CommandDefinition = {
  name: "snapshots",
  summary: "list the snapshots of a root, the oldest first",
  argument: ["<root>", "name of a root"],
  options: [["--json", "one JSON document"]],
  examples: [["rootloom snapshots debian", "what `rootloom rollback` can go back to"]],
  run: async (context, given) => {
    const session = await context.session();
    const { listOf } = await import("../pass/snapshots.ts");
    const { table } = await import("../report/paint.ts");
    const { tree, snapshots: found } = await listOf(session, nameOf(given));
    if (flagOf(given, "json")) {
      const listed = found.map(({ copy, ...snapshot }) => ({ ...snapshot, path: copy ?? null }));
      context.output.document({ root: tree.id, snapshots: listed });
    } else if (found.length === 0)
      context.output.write(`${tree.id} has no snapshots: rootloom snapshot ${tree.name}\n`);
    else {
      const rows = found.map(({ name, reason, means, who, note }) => [name, taken(reason, who), means, note]);
      context.output.write(`${table(rows, context.output).join("\n")}\n`);
    }
    return 0;
  },
};

function taken(reason: string, who: string): string {
  if (reason === "") return "its note is lost";
  return reason === "person" ? `by ${who}` : `before ${reason}`;
}
