import { choice, DRIFT, fields, flag, type JsonSchema, SIZE, text, whole } from "./common.ts";

/** Host: the one document with policy. It can only be stricter than the host's own limits file. */
export const hostSchema: JsonSchema = fields(
  {
    budget: fields(
      { jobs: whole(1, 1024, "Steps that run at once. Default: one a processor."), memory: SIZE },
      "What a pass may use of the host.",
    ),
    prune: fields(
      { maxDeletions: whole(0, 100_000, "A pass that would delete more is refused. Default 3.") },
      "What may be deleted.",
    ),
    drift: fields(
      { policy: choice(["correct", "report"], "Default for all that has none of its own: correct.") },
      String(DRIFT.description),
    ),
    retention: fields(
      {
        generations: whole(1, 1000, "Finished versions of an artifact that are kept. Default 3."),
        runs: whole(1, 100_000, "Runs in the history. Default 50."),
      },
      "How much of the past is kept.",
    ),
    offline: flag("Nothing is fetched over the network for a root: only what the cache has is used. Default false."),
    interval: text('How often the service looks again without an event: "60s" (default), "5m", "1h".'),
  },
  "Policy of the host.",
);
