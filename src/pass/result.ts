import { type ConditionDraft, conditionsOf, type Ending, type SourceProblem } from "../core/conditions.ts";
import type { Json } from "../core/digest.ts";
import type { RootloomError } from "../core/error.ts";
import type { Plan, Step } from "../core/step.ts";
import type { Host } from "../host/ports.ts";
import { toJson } from "../report/report.ts";
import { writeReports } from "../report/write.ts";
import type { SourceStatus } from "../source/types.ts";
import { conditionChanges } from "../state/conditions.ts";
import { type OpenedState, openState } from "../state/state.ts";
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
  /** What a person should know beside the steps. */
  readonly notes?: readonly string[];
}

/** Run ids sort by time: `20261121T074500Z-3f2a9c01`. */
export function newRunId(host: Host): string {
  return `${now(host).replace(/[-:]|\.\d+/g, "")}-${host.clock.random(4)}`;
}

export function beginRun(session: Session, request: PassRequest): Run {
  const { host } = session;
  const startedAt = now(host);
  return {
    runId: newRunId(host),
    trigger: request.trigger,
    mode: request.mode,
    startedAt,
    started_ms: host.clock.elapsed_ms(),
  };
}

/** The whole pass as plain data: what every report format is made from. */
export function resultOf(
  session: Session,
  run: Run,
  desired: Desired,
  status: SourceStatus,
  ended: Ended,
  state: OpenedState,
): PassResult {
  const { snapshot, graph, problems } = desired;
  const { started_ms, ...identified } = run;
  const drafts = conditionsOf(endingsOf(ended, state), sourceProblem(desired), snapshot.stale);
  return {
    ...identified,
    revision: snapshot.revision,
    subject: snapshot.subject,
    author: snapshot.author,
    treeHash: snapshot.treeHash,
    uncommitted: status.uncommitted,
    notes: [...status.notes, ...(state.recovered === undefined ? [] : [state.recovered]), ...(ended.notes ?? [])],
    documentProblems: problems,
    graph,
    plan: ended.plan,
    outcomes: ended.outcomes,
    conditions: dated(drafts, state, run, snapshot.treeHash),
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
  const gone = result.result === "invalid" ? [] : objectsBut(result.conditions, state);
  const { write, remove } = conditionChanges(state.conditions(), result.conditions, gone);
  if (!worked && write.length + remove.length === 0) return;
  state.setConditions(result.conditions, gone);
  const { runId, trigger, revision, treeHash, startedAt, finishedAt, graph } = result;
  const summary = summaryOf(result);
  const run = { runId, trigger, revision, treeHash, startedAt, finishedAt, result: result.result, summary };
  // The report as every format shows it: `rootloom report RUN` renders an old run like a new one.
  state.addRun(run, JSON.parse(JSON.stringify(toJson(result))) as Json, graph.policy.runs);
  writeReports(session.host.files, session.configuration.state, result);
}

/** Where the source cannot be read at all there is no pass: only the host's conditions say so, for whoever asks for its status. */
export function recordSourceFailure(session: Session, run: Run, error: RootloomError): void {
  const state = openState(session.host, session.configuration.state, "write");
  try {
    const known = state.conditions().find((condition) => condition.object === "host");
    const drafts = conditionsOf([], { message: error.message, retry: error.retry });
    state.setConditions(dated(drafts, state, run, known?.observedGeneration ?? ""), []);
  } finally {
    state.close();
  }
}

/** Objects that the store knows and this pass did not name: removed, or no longer declared before they were ever made. */
function objectsBut(conditions: readonly Condition[], state: State): readonly string[] {
  const named = new Set(conditions.map(({ object }) => object));
  return state.conditions().flatMap(({ object }) => (named.has(object) ? [] : [object]));
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

function endingsOf(ended: Ended, state: State): readonly Ending[] {
  if (ended.outcomes.length > 0) {
    return ended.outcomes.map(({ step, status, result, error }) => ({
      step,
      status,
      message: error?.message ?? result,
      retry: error?.retry ?? "",
      source: sourceOf(step, error, state),
      health: healthOf(step, error, state),
    }));
  }
  return ended.plan.steps.map((step) => ({
    step,
    status: step.operation === "keep" ? "kept" : "skipped",
    message: step.blocked?.message ?? step.reason,
    retry: "",
    source: sourceOf(step, undefined, state),
    health: healthOf(step, undefined, state),
  }));
}

/** A source that was found wrong stays so while its step is not tried again; one that was found right is in the record. */
function sourceOf(step: Step, error: StepOutcome["error"], state: State): Ending["source"] {
  if (step.kind !== "tree") return undefined;
  if (error?.condition === "SourceVerified") return { isRight: false, message: error.message };
  const known = state.conditions().find(({ object, type }) => object === step.id && type === "SourceVerified");
  if (known?.status === "False" && (error !== undefined || step.blocked?.condition === "Stalled"))
    return { isRight: false, message: known.message };
  const verified = state.record(step.id)?.details.verified;
  return typeof verified === "string" ? { isRight: true, message: `checked by ${verified}` } : undefined;
}

/** Of an image or a kernel with a check: of the newest generation, which is not the current one where it failed. */
function healthOf(step: Step, error: StepOutcome["error"], state: State): Ending["health"] {
  if (step.kind !== "artifact" && step.kind !== "kernel") return undefined;
  if (error?.condition === "CheckFailed") return { isHealthy: false, message: error.message };
  if (step.blocked?.condition === "Quarantined") return { isHealthy: false, message: step.blocked.message };
  const details = state.record(step.id)?.details;
  if (details?.checked !== true) return undefined;
  return { isHealthy: true, message: `generation ${details.generation} passed its boot check` };
}

function sourceProblem(desired: Desired): SourceProblem | undefined {
  const [first] = desired.problems;
  if (first === undefined) return undefined;
  const others = desired.problems.length - 1;
  const place = `${first.file}:${first.line}:${first.column}`;
  const message = `${place}: ${first.message}${others > 0 ? ` (and ${others} more)` : ""}`;
  return { message, retry: "terminal" };
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
