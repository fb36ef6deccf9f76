import { declarationDigest } from "../core/declared.ts";
import type { Decisions } from "../core/drafted.ts";
import type { DesiredGraph, ResourceId } from "../core/resource.ts";
import type { Plan } from "../core/step.ts";
import type { Host } from "../host/ports.ts";
import type { Decision, State } from "../state/types.ts";
import { sha256 } from "./desired.ts";
import type { StepOutcome } from "./types.ts";

const MAX_DELETIONS = "prune.maxDeletions";
const REFUSED = "prune.refused";

/** What people decided and what failed for good, as the planner wants it. Decisions past their time are left out. */
export function readDecisions(state: State, host: Host, graph: DesiredGraph, retryStalled: boolean): Decisions {
  const now_ms = host.clock.now_ms();
  const valid = state
    .decisions()
    .filter((decision) => decision.until === "" || Date.parse(decision.until) > now_ms)
    .filter((decision) => !isOvertaken(decision, graph));
  const idsOf = (type: Decision["type"]): ReadonlySet<ResourceId> =>
    new Set(valid.filter((decision) => decision.type === type).map((decision) => decision.id));
  const approvals = valid.filter((decision) => decision.type === "approve");
  const suspensions = valid.filter((decision) => decision.type === "suspend");
  return {
    adoptions: idsOf("adopt"),
    forgets: idsOf("forget"),
    approvals: new Map(approvals.map((decision) => [decision.id, decision.digest])),
    suspended: new Map(suspensions.map((decision) => [decision.id, decision.why || `by ${decision.who}`])),
    stalled: retryStalled ? new Map() : readStalled(state),
  };
}

/** Takes back what a commit has overtaken: an image that was rolled back is free when its declaration is another. */
export function withdrawOvertaken(state: State, graph: DesiredGraph): void {
  for (const decision of state.decisions())
    if (isOvertaken(decision, graph)) state.withdraw(decision.id, decision.type);
}

function isOvertaken({ id, type, digest }: Decision, graph: DesiredGraph): boolean {
  return type === "suspend" && digest !== "" && declarationDigest(graph, id, sha256) !== digest;
}

/** Decisions that have done their work are taken back; failures for good are kept until their input changes. */
export function settle(state: State, outcomes: readonly StepOutcome[]): void {
  const stalled = new Map(readStalled(state));
  for (const { step, status, error } of outcomes) {
    if (status === "failed" && error?.retry === "terminal") {
      stalled.set(step.id, { digest: step.digest, message: error.message });
    } else if (status === "done" || status === "kept") {
      stalled.delete(step.id);
    }
    if (status !== "done") continue;
    state.withdraw(step.id, "approve");
    if (step.action === "adopt") state.withdraw(step.id, "adopt");
    if (step.action === "forget") state.withdraw(step.id, "forget");
  }
  state.setFact("stalled", JSON.stringify([...stalled]));
}

function readStalled(state: State): ReadonlyMap<ResourceId, { readonly digest: string; readonly message: string }> {
  const text = state.fact("stalled");
  return new Map(text === undefined ? [] : (JSON.parse(text) as [ResourceId, { digest: string; message: string }][]));
}

/** The strictest of this commit's limit, the last applied commit's, and the host's own. */
export function deletionLimit(state: State, declared: number, hostLimit: number | undefined): number {
  const last = state.fact(MAX_DELETIONS);
  return Math.min(declared, last === undefined ? declared : Number(last), hostLimit ?? declared);
}

/** Deletions that a commit's limit refused, and what the commit before it had refused already, under which limit. */
interface RefusedDeletions {
  readonly treeHash: string;
  readonly declared: number;
  readonly ids: readonly string[];
  readonly before: { readonly declared: number; readonly ids: readonly string[] } | null;
}

/**
 * Makes the declared limit the old one for the commits to come. A greater one counts only where it did not matter
 * yet: else the next pass of the very commit that raised it would delete what this one refused. A commit that raises
 * it and adds nothing to what was refused before is the answer that the refusal asks for, and counts from the next pass.
 */
export function rememberDeletionLimit(state: State, declared: number, inForce: number, plan: Plan): void {
  const ids = plan.steps.flatMap((step) => (step.action === "delete" ? [step.id] : []));
  const refused = ids.length > inForce;
  const last = readRefused(state);
  const before = last?.treeHash === plan.treeHash ? last.before : (last ?? null);
  const isAnswer = before !== null && declared > before.declared && ids.every((id) => before.ids.includes(id));
  if (declared <= inForce || !refused || isAnswer) state.setFact(MAX_DELETIONS, String(declared));
  const now: RefusedDeletions | undefined = refused
    ? { treeHash: plan.treeHash, declared, ids, before: before && { declared: before.declared, ids: before.ids } }
    : undefined;
  if (now !== undefined || last !== undefined) state.setFact(REFUSED, now === undefined ? "" : JSON.stringify(now));
}

function readRefused(state: State): RefusedDeletions | undefined {
  const text = state.fact(REFUSED) ?? "";
  return text === "" ? undefined : (JSON.parse(text) as RefusedDeletions);
}
