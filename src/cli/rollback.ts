import { RootloomError } from "../core/error.ts";
import { type CommandDefinition, flagOf } from "./command.ts";
import { DECISION_OPTIONS, decided, send } from "./decide.ts";

export const rollback: CommandDefinition = {
  name: "rollback",
  summary: "bring a root back to one of its snapshots; the present is snapshotted first, and the root suspended",
  argument: ["<root...>", "name of a root, then of a snapshot, or how it begins (default the newest)"],
  options: [["--yes", "approve what is said without it"], ...DECISION_OPTIONS],
  examples: [
    ["rootloom rollback debian", "says what would be done, exit code 1"],
    ["rootloom rollback debian 20261121T1215 --yes --why 'gcc is broken'", "swaps; the root that gave way is kept"],
  ],
  run: (context, given) => {
    const [root = "", snapshot = "", more] = given.names;
    if (more !== undefined) {
      throw new RootloomError("cannot roll back: give one root, and at most one snapshot");
    }
    const arguments_ = { ...decided(context, given), names: [root], snapshot, yes: flagOf(given, "yes") };
    return send(context, given, { command: "rollback", arguments: arguments_ });
  },
};
