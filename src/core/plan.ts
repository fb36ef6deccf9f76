import { createBlocker } from "./block.ts";
import { canonicalJson, type Digest } from "./digest.ts";
import type { Decisions, Drafted } from "./drafted.ts";
import { refuseToTakeAlong } from "./inside.ts";
import { orderByDependency, orderForRemoval } from "./order.ts";
import type { DesiredGraph, OwnedRecord, Resource, ResourceId, ResourceKind } from "./resource.ts";
import type { Action, Draft, Plan, PlanContext, Planner, PlanProblem, Step } from "./step.ts";

/** Planners by kind, with what each observes left open: the pass guarantees that the two belong together. */
export type PlannerTable = { readonly [K in ResourceKind]: Planner<K, never> };

export interface PlanInput {
  readonly revision: string;
  readonly treeHash: string;
  readonly desired: DesiredGraph;
  /** What `observe` saw of each desired and each owned resource. */
  readonly observed: ReadonlyMap<ResourceId, unknown>;
  /** Resources that could not be observed, and why: not the same as "not there". */
  readonly unobserved: ReadonlyMap<ResourceId, { readonly message: string; readonly hint: string }>;
  readonly owned: readonly OwnedRecord[];
  readonly decisions: Decisions;
  /** The strictest of the commit's, the last commit's and the host's own limit. */
  readonly maxDeletions: number;
  readonly approveAll: boolean;
  readonly planners: PlannerTable;
  readonly digest: Digest;
}

/**
 * Compares what is desired with what was observed and returns the steps in the order in which they
 * run: removals (dependents first), then everything else (dependencies first). Pure: same input, same plan.
 */
export function plan(input: PlanInput): Plan {
  const removals = draftRemovals(input);
  const { decisions, approveAll, maxDeletions } = input;
  const deletions = removals.filter((item) => item.draft.action === "delete").length;
  const toStep = createBlocker({ decisions, approveAll, maxDeletions, deletions });
  const gone = removals.map(toStep);
  const steps = [...gone, ...planWanted(input, toStep, overlaysLeaving(input, gone))];
  return {
    revision: input.revision,
    treeHash: input.treeHash,
    steps,
    problems: problemsOf(steps),
    digest: planDigest(input, steps),
  };
}

function planWanted(
  input: PlanInput,
  toStep: (item: Drafted) => Step,
  leaving: ReadonlyMap<ResourceId, ResourceId>,
): readonly Step[] {
  const owned = new Map(input.owned.map((record) => [record.id, record]));
  const actions = new Map<ResourceId, Action>();
  const { adoptions } = input.decisions;
  const context: PlanContext = { actionOf: (id) => actions.get(id), adoptions, leaving };
  const hidden = new Set<ResourceId>();
  return orderByDependency(input.desired.resources).map((resource) => {
    const unobserved = input.unobserved.get(resource.id);
    const record = owned.get(resource.id);
    const seen =
      unobserved === undefined
        ? draftOne(input, resource, record, context)
        : unobservable(unobserved.message, unobserved.hint);
    const hiding = record === undefined ? undefined : resource.dependsOn.find((id) => hidden.has(id));
    const draft = hiding === undefined || seen.operation === "keep" ? seen : unseen(seen, hiding);
    if (draft.hides === true || hiding !== undefined) hidden.add(resource.id);
    const step = toStep(complete(input, resource, draft, unobserved !== undefined));
    // What is blocked changes nothing in this pass, and what depends on it must not act as if it did.
    actions.set(step.id, step.blocked === undefined ? step.action : "keep");
    return step;
  });
}

/** Trees that are other ones after this pass, though nothing of them is declared otherwise: what was laid into them goes. */
function overlaysLeaving(input: PlanInput, gone: readonly Step[]): ReadonlyMap<ResourceId, ResourceId> {
  const going = gone.filter(({ operation, blocked }) => operation === "overlay.remove" && blocked === undefined);
  const ids = new Set(going.map(({ id }) => id));
  const records = input.owned.filter(({ id }) => ids.has(id));
  return new Map(records.flatMap(({ id, dependsOn }) => dependsOn.map((on) => [on, id] as const)));
}

/** What was made before and cannot be seen now is most likely as it was: the step finds that out, and it is no difference of its own. */
function unseen(draft: Draft, hiding: ResourceId): Draft {
  return { ...draft, cause: "corrective", reason: `${hiding} hides it until it is mounted`, follows: hiding };
}

function draftOne(input: PlanInput, resource: Resource, record: OwnedRecord | undefined, context: PlanContext): Draft {
  const planner = input.planners[resource.kind] as Planner<ResourceKind, unknown>;
  return planner.plan(resource, input.observed.get(resource.id), record, context);
}

function draftRemovals(input: PlanInput): readonly Drafted[] {
  const desired = new Set(input.desired.resources.map((resource) => resource.id));
  const identities = new Map(input.desired.resources.map((resource) => [resource.identity, resource.id]));
  const gone = input.owned.filter((record) => !desired.has(record.id));
  return orderForRemoval(gone).map((record) => {
    const unobserved = input.unobserved.get(record.id);
    const successor = identities.get(record.identity);
    const draft =
      successor !== undefined
        ? forget(record, `it is declared as ${successor} now`)
        : input.decisions.forgets.has(record.id)
          ? forget(record, "a person asked to forget it")
          : unobserved !== undefined
            ? unobservable(unobserved.message, unobserved.hint)
            : refuseToTakeAlong(record, planRemoval(input, record), input.desired.resources, gone);
    return complete(input, { ...record, dependsOn: dependentsOf(record, gone) }, draft, unobserved !== undefined);
  });
}

function planRemoval(input: PlanInput, record: OwnedRecord): Draft {
  const planner = input.planners[record.kind] as Planner<ResourceKind, unknown>;
  return planner.planRemoval(record, input.observed.get(record.id));
}

/** A removal waits for the removal of everything that was built on it. */
function dependentsOf(record: OwnedRecord, gone: readonly OwnedRecord[]): readonly ResourceId[] {
  return gone.filter((other) => other.dependsOn.includes(record.id)).map((other) => other.id);
}

function forget(record: OwnedRecord, reason: string): Draft {
  return { operation: "forget", arguments: { record }, action: "forget", cause: "intentional", reason };
}

function unobservable(message: string, hint: string): Draft {
  return {
    operation: "keep",
    arguments: {},
    action: "keep",
    cause: "corrective",
    reason: "could not be observed",
    blocked: { condition: "Waiting", message, hint },
  };
}

type Subject = Pick<Drafted, "id" | "kind" | "name" | "dependsOn" | "protect">;

function complete(input: PlanInput, subject: Subject, draft: Draft, unobserved: boolean): Drafted {
  const { id, kind, name, dependsOn, protect } = subject;
  const digest = draft.operation === "keep" ? "" : input.digest(canonicalJson(bound(draft)));
  return { id, kind, name, dependsOn, protect, draft, digest, unobserved };
}

/** What an approval is bound to: what would be done and what would be lost, not how the host looks this minute. */
function bound(draft: Draft): object {
  return { operation: draft.operation, arguments: draft.arguments, destroys: draft.destroys };
}

function problemsOf(steps: readonly Step[]): readonly PlanProblem[] {
  return steps.flatMap((step) =>
    step.blocked !== undefined && step.blocked.condition === "Refused"
      ? [{ id: step.id, message: step.blocked.message, hint: step.blocked.hint }]
      : [],
  );
}

function planDigest(input: PlanInput, steps: readonly Step[]): string {
  const changes = steps
    .filter((step) => step.operation !== "keep")
    .map((step) => ({ id: step.id, digest: step.digest, observed: input.observed.get(step.id) ?? null }));
  return input.digest(canonicalJson({ revision: input.revision, treeHash: input.treeHash, changes }));
}
