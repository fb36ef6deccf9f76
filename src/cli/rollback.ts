import { RootloomError } from "../core/error.ts";
import { type CommandDefinition, flagOf } from "./command.ts";
import { DECISION_OPTIONS, decided, send } from "./decide.ts";

export const rollback: CommandDefinition = {
  name: "rollback",
  summary: "bring a root back to one of its snapshots, or an image back to an older generation; it is suspended there",
  argument: [
    "<name...>",
    "a root or an image, then a snapshot or a generation, or how that begins (default the newest)",
  ],
  options: [["--yes", "approve what is said without it"], ...DECISION_OPTIONS],
  examples: [
    ["rootloom rollback image/debian", "the generation before, at once, until a commit changes the image"],
    ["rootloom rollback root/debian", "says what would be done, exit code 1"],
    [
      "rootloom rollback root/debian 20261121T1215 --yes --why 'gcc is broken'",
      "swaps; the root that gave way is kept",
    ],
  ],
  run: (context, given) => {
    const [name = "", snapshot = "", more] = given.names;
    if (more !== undefined) {
      throw new RootloomError("cannot roll back: give one root or image, and at most one snapshot or generation");
    }
    const arguments_ = { ...decided(context, given), names: [name], snapshot, yes: flagOf(given, "yes") };
    return send(context, given, { command: "rollback", arguments: arguments_ });
  },
};
