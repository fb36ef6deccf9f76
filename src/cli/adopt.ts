import type { CommandDefinition } from "./command.ts";
import { DECISION_OPTIONS, decided, send } from "./decide.ts";

export const adopt: CommandDefinition = {
  name: "adopt",
  summary: "make an object ours that stands where a declaration wants one, then run a pass",
  argument: ["<name...>", "kind/name, or the name alone where it is unique"],
  options: DECISION_OPTIONS,
  examples: [["rootloom adopt volume/builds", "its content stays as it is"]],
  run: (context, given) => send(context, given, { command: "adopt", arguments: decided(context, given) }),
};
