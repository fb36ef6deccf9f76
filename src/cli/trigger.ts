import type { CommandDefinition } from "./command.ts";
import { send } from "./decide.ts";

export const trigger: CommandDefinition = {
  name: "trigger",
  summary:
    "run a pass now, and try stalled steps again; of images that are named, versions that failed their check too",
  argument: ["[name...]", "images whose quarantined version is tried once more; a pass is always whole"],
  options: [["--json", "one JSON line an event, change_summary last"]],
  examples: [
    ["rootloom trigger", "by the daemon where one runs, else here"],
    ["rootloom trigger image/debian", "its boot check failed for a reason that is mended: boot it again"],
  ],
  run: (context, given) => send(context, given, { command: "trigger", arguments: { names: given.names } }),
};
