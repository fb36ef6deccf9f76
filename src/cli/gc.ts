import { RootloomError } from "../core/error.ts";
import { type CommandDefinition, flagOf, numberOf, textOf } from "./command.ts";
import { send } from "./decide.ts";

export const gc: CommandDefinition = {
  name: "gc",
  summary: "remove what the caches did not use for long, and old generations; list what passes kept of yours",
  options: [
    ["--days <count>", "not used for so many days (default 30)"],
    ["--size <size>", "of each cache at most this stays (default 16GiB)"],
    ["--kept-roots", "also replaced roots and what corrections took out; asks for --yes"],
    ["--yes", "remove what --kept-roots lists"],
    ["--dry-run", "only say what would be removed"],
    ["--json", "one JSON line"],
  ],
  examples: [
    ["rootloom gc --dry-run", "how much there is to gain; the next pass makes again what it needs"],
    ["rootloom gc --kept-roots", "what old roots would free, exit code 1; nothing of it goes without --yes"],
  ],
  run: async (context, given) => {
    const { COLLECT_AGE_DAYS, COLLECT_LIMIT_BYTES } = await import("../pass/gc.ts");
    const { parseSize } = await import("../documents/units.ts");
    const size = textOf(given, "size");
    const limit_bytes = size === undefined ? COLLECT_LIMIT_BYTES : parseSize(size);
    if (limit_bytes === undefined) {
      throw new RootloomError(`cannot use --size ${size}: it is no size`, { hint: "write 500MiB, 16GiB" });
    }
    const age_days = numberOf(given, "days") ?? COLLECT_AGE_DAYS;
    const [keptRoots, yes, dryRun] = [flagOf(given, "keptRoots"), flagOf(given, "yes"), flagOf(given, "dryRun")];
    return send(context, given, { command: "gc", arguments: { age_days, limit_bytes, keptRoots, yes, dryRun } });
  },
};
