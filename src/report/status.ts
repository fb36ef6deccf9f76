import type { Json } from "../core/digest.ts";
import type { Condition, Decision, RunSummary } from "../state/types.ts";
import { durationText, painter, type TextOptions, table } from "./paint.ts";

/** What `status` knows: the store's conditions and its last run. It looks at nothing else. */
export interface Status {
  readonly conditions: readonly Condition[];
  readonly lastRun: RunSummary | undefined;
  /** What people suspended, adopted, approved or forgot and is still in force. */
  readonly decisions: readonly Decision[];
  /** Who holds the state's lock just now; empty: nobody. */
  readonly busy: string;
}

export type Verdict = "Ready" | "NotReady" | "Stalled";

/** Ready: everything says so. Stalled: something waits for a change of its inputs. */
export function verdictOf(status: Status): Verdict {
  const { conditions } = status;
  if (conditions.some(({ type, status: value }) => type === "Stalled" && value === "True")) return "Stalled";
  const ready = conditions.filter(({ type }) => type === "Ready");
  return ready.length > 0 && ready.every(({ status: value }) => value === "True") ? "Ready" : "NotReady";
}

/** What `status --json` prints. */
export function statusJson(status: Status): { readonly [key: string]: Json } {
  const { lastRun } = status;
  return {
    status: verdictOf(status),
    busy: status.busy === "" ? null : status.busy,
    revision: lastRun?.revision ?? null,
    lastRun: lastRun === undefined ? null : { ...lastRun },
    conditions: status.conditions.map((condition) => ({ ...condition })),
    decisions: status.decisions.map((decision) => ({ ...decision })),
  };
}

/** The verdict, what is not well and why, and the last run. */
export function statusText(status: Status, options: TextOptions): string {
  const paint = painter(options.color);
  const verdict = verdictOf(status);
  const style = verdict === "Ready" ? "green" : verdict === "Stalled" ? "red" : "yellow";
  const told = status.conditions.filter(isTold);
  const rows = told.map(({ object, type, status: value, reason, message, lastTransitionTime }) => [
    object,
    value === "True" ? type : `${type}=${value}`,
    reason,
    `${message}${message === "" ? "" : " "}(since ${lastTransitionTime})`,
  ]);
  const well = new Set(status.conditions.filter(isWell).map(({ object }) => object)).size;
  const lines = [
    paint(style, verdict === "NotReady" ? "not Ready" : verdict),
    ...table(rows, { ...options, indent: 2 }),
    ...(well === 0 ? [] : [paint("dim", `  ${well} Ready`)]),
    ...status.decisions.map(decisionLine),
    lastRunLine(status.lastRun),
    ...(status.busy === "" ? [] : [`a pass runs just now: ${status.busy}`]),
  ];
  return `${lines.join("\n")}\n`;
}

function isWell({ type, status }: Condition): boolean {
  return type === "Ready" && status === "True";
}

/** Every condition that is not the ordinary good one. */
function isTold({ type, status }: Condition): boolean {
  const goodWhenTrue = type === "Ready" || type === "Healthy" || type === "SourceVerified";
  return goodWhenTrue ? status !== "True" : status !== "False";
}

function decisionLine({ id, type, who, why, until }: Decision): string {
  const end = until === "" ? "" : ` until ${until}`;
  return `  ${id}: ${type} by ${who}${end}${why === "" ? "" : `: ${why}`}`;
}

function lastRunLine(run: RunSummary | undefined): string {
  if (run === undefined) return "never applied: run `rootloom apply`";
  const duration_ms = Date.parse(run.finishedAt) - Date.parse(run.startedAt);
  const revision = run.revision.slice(0, 12);
  return `last run ${run.runId}: ${run.result} at commit ${revision}, ${run.finishedAt} (${durationText(duration_ms)}, ${run.trigger})`;
}
