import type { CommandDefinition } from "./command.ts";
import { DECISION_OPTIONS, decided, send } from "./decide.ts";

export const forget: CommandDefinition = {
  name: "forget",
  summary: "give up an object whose declaration is gone; its data and its marker stay",
  argument: ["<name...>", "kind/name, or the name alone where it is unique"],
  options: DECISION_OPTIONS,
  examples: [["rootloom forget volume/old", "nothing of it is deleted"]],
  run: (context, given) => send(context, given, { command: "forget", arguments: decided(context, given) }),
};
