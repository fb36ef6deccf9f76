import type { Origin } from "../core/resource.ts";
import type { Blocked, Operation, PlanProblem, Step } from "../core/step.ts";
import type { Problem } from "../documents/types.ts";
import type { PassResult, StepOutcome } from "../pass/types.ts";
import type { Condition } from "../state/types.ts";
import { objectText, participle } from "./step-text.ts";

/** One step of a report: what was planned and what came of it. Plain data, kept in the store and in `latest.json`. */
export interface ReportStep {
  readonly id: Step["id"];
  readonly kind: Step["kind"];
  readonly name: string;
  readonly operation: Operation;
  readonly action: Step["action"];
  readonly cause: Step["cause"];
  readonly reason: string;
  /** null: nothing is destroyed. */
  readonly destroys: string | null;
  readonly replaces: boolean;
  /** The step whose consequence this one is; null: it differs by itself. */
  readonly follows: Step["id"] | null;
  readonly details: readonly string[];
  readonly blocked: Blocked | null;
  readonly digest: string;
  /** `root debian`. */
  readonly object: string;
  /** Completes "the object has been ...". */
  readonly done: string;
  readonly origin: Origin | null;
  /** `planned` in a plan, else how it ended. */
  readonly status: "planned" | StepOutcome["status"];
  readonly result: string;
  readonly notes: readonly string[];
  readonly error: NonNullable<StepOutcome["error"]> | null;
  readonly duration_ms: number;
}

/** One pass as every format shows it. */
export interface Report {
  readonly version: 1;
  readonly runId: string;
  readonly trigger: string;
  readonly mode: PassResult["mode"];
  readonly revision: string;
  readonly subject: string;
  readonly author: string;
  readonly treeHash: string;
  /** What was asked of a plan file or an approval: the digest over all steps. */
  readonly planDigest: string;
  readonly uncommitted: readonly string[];
  readonly notes: readonly string[];
  readonly documentProblems: readonly Problem[];
  readonly problems: readonly PlanProblem[];
  readonly steps: readonly ReportStep[];
  readonly summary: Readonly<Record<Step["action"], number>>;
  readonly conditions: readonly Condition[];
  readonly artifacts: PassResult["artifacts"];
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly duration_ms: number;
  readonly result: PassResult["result"];
}

/** A pass as plain data: what is stored, sent over the control socket and rendered. */
export function toJson(result: PassResult): Report {
  const outcomes = new Map(result.outcomes.map((outcome) => [outcome.step.id, outcome]));
  const resources = new Map(result.graph.resources.map((resource) => [resource.id, resource]));
  return {
    version: 1,
    runId: result.runId,
    trigger: result.trigger,
    mode: result.mode,
    revision: result.revision,
    subject: result.subject,
    author: result.author,
    treeHash: result.treeHash,
    planDigest: result.plan.digest,
    uncommitted: result.uncommitted,
    notes: result.notes,
    documentProblems: result.documentProblems,
    problems: result.plan.problems,
    steps: result.plan.steps.map((step) => {
      const resource = resources.get(step.id);
      const secret = resource?.kind === "overlay" && resource.overlay.secret;
      return stepReport(step, outcomes.get(step.id), resource?.origin, secret);
    }),
    summary: countActions(result.plan.steps),
    conditions: result.conditions,
    artifacts: result.artifacts,
    startedAt: result.startedAt,
    finishedAt: result.finishedAt,
    duration_ms: result.duration_ms,
    result: result.result,
  };
}

/** Anything that a renderer is given, as a report. */
export function asReport(result: PassResult | Report): Report {
  return "plan" in result ? toJson(result) : result;
}

function stepReport(
  step: Step,
  outcome: StepOutcome | undefined,
  origin: Origin | undefined,
  secret: boolean,
): ReportStep {
  return {
    id: step.id,
    kind: step.kind,
    name: step.name,
    operation: step.operation,
    action: step.action,
    cause: step.cause,
    reason: step.reason,
    destroys: step.destroys ?? null,
    replaces: step.replaces ?? false,
    follows: step.follows ?? null,
    details: secret ? secretDetails(step.details) : (step.details ?? []),
    blocked: step.blocked ?? null,
    digest: step.digest,
    object: objectText(step),
    done: participle(step),
    origin: origin ?? null,
    status: outcome?.status ?? "planned",
    result: outcome?.result ?? "",
    notes: outcome?.notes ?? [],
    error: outcome?.error ?? null,
    duration_ms: outcome?.duration_ms ?? 0,
  };
}

/** Lines of a diff carry content: those of a secret overlay are left out here, whoever made them. */
function secretDetails(details: readonly string[] | undefined): readonly string[] {
  const lines = details ?? [];
  const shown = lines.filter((line) => !/^[+\-@\\\s]/.test(line));
  return shown.length === lines.length ? shown : [...shown, "(content is secret and not shown)"];
}

/** How many steps of each action, zeros too: the `summary` of every JSON output. */
export function countActions(steps: readonly Pick<Step, "action">[]): Report["summary"] {
  const summary = { create: 0, update: 0, replace: 0, delete: 0, adopt: 0, forget: 0, keep: 0 };
  for (const step of steps) summary[step.action] += 1;
  return summary;
}
