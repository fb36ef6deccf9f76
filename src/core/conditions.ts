import type { Step } from "./step.ts";

/** A condition before the store gives it its time. */
export interface ConditionDraft {
  /** Resource id, or `host` for the whole. */
  readonly object: string;
  readonly type:
    | "Ready"
    | "Reconciling"
    | "Stalled"
    | "Healthy"
    | "Drifted"
    | "Suspended"
    | "ApprovalRequired"
    | "SourceVerified";
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

/** Why there is no desired state to go by: documents with problems, or a source that cannot be read. */
export interface SourceProblem {
  readonly message: string;
  /** `terminal`: a commit must mend it, and the host is stalled until then. */
  readonly retry: string;
}

/** How a step ended, as far as conditions care. */
export interface Ending {
  readonly step: Step;
  readonly status: "done" | "kept" | "failed" | "skipped" | "interrupted";
  readonly message: string;
  readonly retry: string;
  /** Whether what the resource was made from is what its publisher says; left out where nobody asked. */
  readonly source?: { readonly isRight: boolean; readonly message: string } | undefined;
  /** Whether what was made last passed its check; left out where none is declared, or none was made. */
  readonly health?: { readonly isHealthy: boolean; readonly message: string } | undefined;
}

/**
 * Conditions of every resource of a pass, and of the host as a whole. Texts hold no times and no
 * run ids: an unchanged host gives equal conditions, so that nothing is written.
 */
export function conditionsOf(
  endings: readonly Ending[],
  sourceProblem: SourceProblem | undefined,
  stale?: string,
): readonly ConditionDraft[] {
  if (sourceProblem !== undefined) return ofProblem(sourceProblem);
  const lasting = endings.filter((ending) => !isGone(ending));
  const resources = lasting.flatMap((ending) => ofResource(ending));
  return [...ofHost(lasting, stale), ...resources];
}

function isGone(ending: Ending): boolean {
  const { action } = ending.step;
  return (action === "delete" || action === "forget") && ending.status === "done";
}

function ofResource(ending: Ending): readonly ConditionDraft[] {
  const { step } = ending;
  const object = step.id;
  const ready = readyOf(ending);
  const exceptions: ConditionDraft[] = [];
  const condition = step.blocked?.condition;
  const message = step.blocked?.message ?? "";
  if (condition === "ApprovalRequired" || condition === "Suspended" || condition === "Stalled") {
    exceptions.push({ object, type: condition, status: "True", reason: condition, message });
  } else if (ending.status === "failed" && ending.retry === "terminal") {
    exceptions.push({ object, type: "Stalled", status: "True", reason: "Failed", message: ending.message });
  }
  if (step.cause === "corrective" && step.action !== "keep" && ending.status !== "done") {
    exceptions.push({ object, type: "Drifted", status: "True", reason: "Drift", message: step.reason });
  }
  if (condition === "Quarantined" || ending.health?.isHealthy === false) {
    const why = message === "" ? ending.message : message;
    exceptions.push({ object, type: "Stalled", status: "True", reason: "Quarantined", message: why });
  }
  if (ending.source !== undefined) exceptions.push(verifiedOf(object, ending.source));
  if (ending.health !== undefined) exceptions.push(healthOf(object, ending.health));
  return [ready, ...exceptions];
}

function verifiedOf(object: string, { isRight, message }: NonNullable<Ending["source"]>): ConditionDraft {
  const [status, reason] = isRight ? (["True", "Verified"] as const) : (["False", "VerificationFailed"] as const);
  return { object, type: "SourceVerified", status, reason, message };
}

function healthOf(object: string, { isHealthy, message }: NonNullable<Ending["health"]>): ConditionDraft {
  const [status, reason] = isHealthy ? (["True", "CheckPassed"] as const) : (["False", "CheckFailed"] as const);
  return { object, type: "Healthy", status, reason, message };
}

function readyOf(ending: Ending): ConditionDraft {
  const { step, status } = ending;
  const object = step.id;
  if (status === "done" || (status === "kept" && step.blocked === undefined)) {
    return { object, type: "Ready", status: "True", reason: "Reconciled", message: "as declared" };
  }
  if (status === "failed") return { object, type: "Ready", status: "False", reason: "Failed", message: ending.message };
  if (status === "interrupted") {
    return { object, type: "Ready", status: "Unknown", reason: "Interrupted", message: "the pass was interrupted" };
  }
  return {
    object,
    type: "Ready",
    status: "False",
    reason: step.blocked?.condition ?? "Waiting",
    message: step.blocked?.message ?? ending.message,
  };
}

/** `stale`: why the commit may not be the newest; what it says is in force all the same. */
function ofHost(endings: readonly Ending[], stale: string | undefined): readonly ConditionDraft[] {
  const object = "host";
  const unready = endings.filter((ending) => readyOf(ending).status !== "True").map((ending) => ending.step.id);
  const ready: ConditionDraft =
    unready.length === 0
      ? { object, type: "Ready", status: "True", reason: "Converged", message: "all resources are as declared" }
      : { object, type: "Ready", status: "False", reason: "NotConverged", message: `not ready: ${unready.join(", ")}` };
  const source: ConditionDraft =
    stale === undefined
      ? {
          object,
          type: "SourceVerified",
          status: "True",
          reason: "Loaded",
          message: "the commit was read and is valid",
        }
      : { object, type: "SourceVerified", status: "False", reason: "FetchFailed", message: stale };
  return [ready, source];
}

/** Nothing was looked at: conditions of resources stay as they were, only the host as a whole is not ready. */
function ofProblem({ message, retry }: SourceProblem): readonly ConditionDraft[] {
  const object = "host";
  const reason = "SourceProblem";
  const ready = {
    object,
    type: "Ready",
    status: "False",
    reason,
    message: "what the host should be is not known",
  } as const;
  const source = { object, type: "SourceVerified", status: "False", reason, message } as const;
  const stalled = { object, type: "Stalled", status: "True", reason, message } as const;
  return retry === "terminal" ? [ready, source, stalled] : [ready, source];
}
