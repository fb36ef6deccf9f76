import type { CommandDefinition } from "./command.ts";
import { send } from "./decide.ts";

export const trigger: CommandDefinition = {
  name: "trigger",
  summary: "run a pass now, and try stalled steps again",
  argument: ["[name...]", "checked to be there; a pass is always whole"],
  options: [["--json", "one JSON line an event, change_summary last"]],
  examples: [["rootloom trigger", "by the daemon where one runs, else here"]],
  run: (context, given) => send(context, given, { command: "trigger", arguments: { names: given.names } }),
};
