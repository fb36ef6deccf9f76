import type { CommandDefinition } from "./command.ts";
import { DECISION_OPTIONS, decided, send } from "./decide.ts";

export const approve: CommandDefinition = {
  name: "approve",
  summary: "let a step run that destroys or replaces something, then run a pass",
  argument: ["<name...>", "kind/name, or the name alone where it is unique"],
  options: DECISION_OPTIONS,
  examples: [
    [
      "rootloom approve tree/debian --why 'trixie is tested'",
      "builds the new root beside, swaps the two, keeps the old one; bound to the plan as it is now",
    ],
  ],
  run: (context, given) => send(context, given, { command: "approve", arguments: decided(context, given) }),
};
