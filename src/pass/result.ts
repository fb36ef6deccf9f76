import { type ConditionDraft, conditionsOf, type Ending, goneObjects } from "../core/conditions.ts";
import type { Json } from "../core/digest.ts";
import type { Plan } from "../core/step.ts";
import { toJson } from "../report/report.ts";
import { writeReports } from "../report/write.ts";
import type { OpenedState } from "../state/state.ts";
import type { Condition, State } from "../state/types.ts";
import type { Desired } from "./desired.ts";
import { now } from "./journal.ts";
import type { PassRequest, PassResult, Session, StepOutcome } from "./types.ts";

/** What identifies a run, from its first moment. */
export interface Run {
  readonly runId: string;
  readonly trigger: string;
  readonly mode: PassRequest["mode"];
  readonly startedAt: string;
  readonly started_ms: number;
}

export interface Ended {
  readonly plan: Plan;
  readonly outcomes: readonly StepOutcome[];
}

/** Run ids sort by time: `20261121T074500Z-3f2a9c01`. */
export function beginRun(session: Session, request: PassRequest): Run {
  const { host } = session;
  const startedAt = now(host);
  const stamp = startedAt.replace(/[-:]|\.\d+/g, "");
  return {
    runId: `${stamp}-${host.clock.random(4)}`,
    trigger: request.trigger,
    mode: request.mode,
    startedAt,
    started_ms: host.clock.elapsed_ms(),
  };
}

/** The whole pass as plain data: what every report format is made from. */
export function resultOf(session: Session, run: Run, desired: Desired, ended: Ended, state: OpenedState): PassResult {
  const { snapshot, graph, problems } = desired;
  const { started_ms, ...identified } = run;
  return {
    ...identified,
    revision: snapshot.revision,
    subject: snapshot.subject,
    author: snapshot.author,
    treeHash: snapshot.treeHash,
    uncommitted: snapshot.uncommitted,
    notes: [...snapshot.notes, ...(state.recovered === undefined ? [] : [state.recovered])],
    documentProblems: problems,
    graph,
    plan: ended.plan,
    outcomes: ended.outcomes,
    conditions: dated(conditionsOf(endingsOf(ended), sourceProblem(desired)), state, run, snapshot.treeHash),
    artifacts: artifactsOf(state),
    finishedAt: now(session.host),
    duration_ms: Math.round(session.host.clock.elapsed_ms() - started_ms),
    result: verdict(desired, ended, run.mode),
  };
}

/**
 * Writes what changed: conditions, the run and the reports. A pass that did nothing and found
 * nothing new writes nothing at all.
 */
export function record(session: Session, state: State, result: PassResult): void {
  const worked = result.outcomes.some((outcome) => outcome.status !== "kept" && outcome.status !== "skipped");
  if (!worked && sameConditions(state.conditions(), result.conditions)) return;
  state.setConditions(result.conditions, goneObjects(endingsOf(result)));
  const { runId, trigger, revision, treeHash, startedAt, finishedAt, graph } = result;
  const summary = summaryOf(result);
  const run = { runId, trigger, revision, treeHash, startedAt, finishedAt, result: result.result, summary };
  // The report as every format shows it: `rootloom report RUN` renders an old run like a new one.
  state.addRun(run, JSON.parse(JSON.stringify(toJson(result))) as Json, graph.policy.runs);
  writeReports(session.host.files, session.configuration.state, result);
}

/** How many steps of each action; for an apply, of those that were done. */
export function summaryOf(result: Pick<PassResult, "plan" | "outcomes" | "mode">): Readonly<Record<string, number>> {
  const summary: Record<string, number> = {};
  const add = (name: string): void => {
    summary[name] = (summary[name] ?? 0) + 1;
  };
  if (result.mode === "plan") for (const step of result.plan.steps) add(step.action);
  for (const outcome of result.outcomes) {
    add(outcome.status === "done" || outcome.status === "kept" ? outcome.step.action : outcome.status);
  }
  return summary;
}

function endingsOf(ended: Ended): readonly Ending[] {
  if (ended.outcomes.length > 0) {
    return ended.outcomes.map(({ step, status, result, error }) => ({
      step,
      status,
      message: error?.message ?? result,
      retry: error?.retry ?? "",
    }));
  }
  return ended.plan.steps.map((step) => ({
    step,
    status: step.operation === "keep" ? "kept" : "skipped",
    message: step.blocked?.message ?? step.reason,
    retry: "",
  }));
}

function sourceProblem(desired: Desired): string | undefined {
  const [first] = desired.problems;
  if (first === undefined) return undefined;
  const others = desired.problems.length - 1;
  const place = `${first.file}:${first.line}:${first.column}`;
  return `${place}: ${first.message}${others > 0 ? ` (and ${others} more)` : ""}`;
}

/** A condition keeps the time of its last transition as long as its status is the same. */
function dated(
  drafts: readonly ConditionDraft[],
  state: State,
  run: Run,
  observedGeneration: string,
): readonly Condition[] {
  const known = new Map(state.conditions().map((condition) => [`${condition.object} ${condition.type}`, condition]));
  return drafts.map((draft) => {
    const before = known.get(`${draft.object} ${draft.type}`);
    const lastTransitionTime = before?.status === draft.status ? before.lastTransitionTime : run.startedAt;
    return { ...draft, lastTransitionTime, observedGeneration };
  });
}

function sameConditions(before: readonly Condition[], after: readonly Condition[]): boolean {
  const text = (condition: Condition): string => {
    const { object, type, status, reason, message, observedGeneration } = condition;
    return JSON.stringify([object, type, status, reason, message, observedGeneration]);
  };
  const known = new Set(before.map(text));
  return before.length === after.length && after.every((condition) => known.has(text(condition)));
}

function artifactsOf(state: State): PassResult["artifacts"] {
  return state
    .records()
    .filter((owned) => owned.kind === "artifact")
    .map(({ id, details }) => ({
      id,
      path: String(details.file ?? details.path ?? ""),
      generation: String(details.generation ?? ""),
      sha256: String(details.sha256 ?? ""),
      size_bytes: Number(details.size_bytes ?? 0),
    }));
}

function verdict(desired: Desired, ended: Ended, mode: PassRequest["mode"]): PassResult["result"] {
  if (desired.problems.length > 0) return "invalid";
  const statuses = new Set(ended.outcomes.map((outcome) => outcome.status));
  if (statuses.has("interrupted")) return "interrupted";
  if (statuses.has("failed")) return "failed";
  if (statuses.has("skipped") || ended.plan.steps.some((step) => step.blocked !== undefined)) return "waiting";
  if (mode === "plan" && ended.plan.steps.some((step) => step.operation !== "keep")) return "waiting";
  return "converged";
}
