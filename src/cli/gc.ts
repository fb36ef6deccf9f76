import { type CommandDefinition, flagOf, numberOf } from "./command.ts";
import { send } from "./decide.ts";

export const gc: CommandDefinition = {
  name: "gc",
  summary: "remove old files of the caches",
  options: [
    ["--days <count>", "older than this many days (default 30)"],
    ["--dry-run", "only say what would be removed"],
    ["--json", "one JSON line"],
  ],
  examples: [["rootloom gc --dry-run", "how much there is to gain; the next pass makes again what it needs"]],
  run: (context, given) => {
    const age_days = numberOf(given, "days") ?? 30;
    return send(context, given, { command: "gc", arguments: { age_days, dryRun: flagOf(given, "dryRun") } });
  },
};
