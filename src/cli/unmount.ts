import { RootloomError } from "../core/error.ts";
import { type CommandDefinition, flagOf } from "./command.ts";
import { DECISION_OPTIONS, decided, send } from "./decide.ts";

export const unmount: CommandDefinition = {
  name: "unmount",
  summary: "unmount what we mounted in a root, and leave it unmounted until it is resumed",
  argument: ["[root...]", "names of roots"],
  options: [["--all", "all mounts that are ours"], ...DECISION_OPTIONS],
  examples: [
    ["rootloom unmount debian", "children first; names the processes that are in the way, never detaches"],
    ["rootloom unmount --all", "before the host is taken down"],
  ],
  run: (context, given) => {
    const all = flagOf(given, "all");
    if (all === given.names.length > 0) {
      throw new RootloomError("cannot unmount: give either names of roots or --all");
    }
    return send(context, given, { command: "unmount", arguments: { ...decided(context, given), all } });
  },
};
