import { type CommandDefinition, textOf } from "./command.ts";
import { decided, send } from "./decide.ts";

export const snapshot: CommandDefinition = {
  name: "snapshot",
  summary: "take a snapshot of a root, to roll back to",
  argument: ["<root>", "name of a root"],
  options: [
    ["--note <text>", "kept with it"],
    ["--json", "one JSON line an event, change_summary last"],
  ],
  examples: [
    ["rootloom snapshot debian --note 'before the new gcc'", "retention never removes one that a person took"],
  ],
  run: (context, given) => {
    const why = textOf(given, "note") ?? "";
    return send(context, given, { command: "snapshot", arguments: { ...decided(context, given), why } });
  },
};
