import type { CommandDefinition } from "./command.ts";
import { DECISION_OPTIONS, decided, send } from "./decide.ts";

export const resume: CommandDefinition = {
  name: "resume",
  summary: "take a suspension back, then run a pass",
  argument: ["<name...>", "kind/name, or the name alone where it is unique"],
  options: DECISION_OPTIONS,
  examples: [["rootloom resume artifact/debian", "it is reconciled again"]],
  run: (context, given) => send(context, given, { command: "resume", arguments: decided(context, given) }),
};
