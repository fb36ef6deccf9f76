import type { OwnedRecord, ProvisionResource } from "../../core/resource.ts";
import type { Action, Blocked, Cause, Draft, PlanContext, Planner } from "../../core/step.ts";
import { forget, keep, policyChange } from "../owned.ts";
import type { ObservedProvision } from "./observe.ts";

export const provisionPlanner: Planner<"provision", ObservedProvision> = { plan, planRemoval };

/** What is still to be done in a root, as it was observed. Asked again just before it is done. */
export interface Pending {
  /** Positions of the steps to run, ascending. */
  readonly steps: readonly number[];
  /** How many steps of the note still count; those behind were changed, or are no longer declared. */
  readonly kept: number;
}

/** Steps from the first one that is not behind the root as it is declared, else those whose packages are not as declared. */
export function pendingSteps(resource: ProvisionResource, observed: ObservedProvision): Pending {
  const kept = keptSteps(resource, observed);
  const positions = resource.steps.map((_, index) => index);
  if (kept < resource.steps.length) return { steps: positions.slice(kept), kept };
  const differing = positions.filter((index) => (resource.steps[index]?.name ?? "") in observed.packages);
  const running = resource.steps.findIndex(({ name }) => name === observed.running?.name);
  return { steps: [...new Set([...differing, ...(running < 0 ? [] : [running])])].sort((a, b) => a - b), kept };
}

/** What a record keeps of the steps, to tell a changed commit from a changed host. */
export function provisionInputs({ steps }: ProvisionResource): Readonly<Record<string, string>> {
  return { steps: steps.at(-1)?.key ?? "" };
}

function plan(
  resource: ProvisionResource,
  observed: ObservedProvision,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  const { refusal, hint } = observed;
  if (refusal !== "") {
    const message = `cannot provision root ${resource.name}: ${refusal}`;
    return { ...run(resource, "create", "intentional", refusal), blocked: { condition: "Refused", message, hint } };
  }
  const all = resource.steps.map((_, index) => index);
  const tree = context.actionOf(resource.root.id);
  if (tree === "create" || tree === "replace") {
    const follows = owned === undefined ? {} : { follows: resource.root.id };
    const draft = run(resource, "create", "intentional", `${resource.root.id} is made in this pass`);
    return { ...draft, ...follows, details: lines(resource, all) };
  }
  if (!observed.isThere)
    return { ...run(resource, "create", "intentional", "its root is not there"), blocked: waits(resource) };
  const pending = pendingSteps(resource, observed);
  if (pending.steps.length > 0 || observed.running !== undefined) {
    const back = backOf(resource, observed, context);
    return runSteps(resource, { ...observed, back }, owned, pending);
  }
  return takeNote(resource, observed, owned);
}

function planRemoval(record: OwnedRecord): Draft {
  return forget(record, "its declaration was removed; what its steps did stays in the root");
}

function keptSteps({ steps }: ProvisionResource, { done }: ObservedProvision): number {
  const first = steps.findIndex(({ key }, index) => done[index]?.key !== key);
  return first < 0 ? steps.length : first;
}

function runSteps(
  resource: ProvisionResource,
  observed: ObservedProvision,
  owned: OwnedRecord | undefined,
  pending: Pending,
): Draft {
  const { running, done } = observed;
  const again = done.length > pending.kept;
  const action: Action = owned === undefined ? "create" : "update";
  const isSame = owned?.inputs.steps === provisionInputs(resource).steps;
  const cause: Cause = isSame ? "corrective" : "intentional";
  const details = [
    ...(running === undefined ? [] : [`the root is in the middle of step ${running.name}, begun ${running.startedAt}`]),
    ...lines(resource, pending.steps),
    ...(again || running !== undefined ? [howAgain(resource, observed, pending)] : []),
  ];
  const draft = run(resource, action, cause, reasonOf(resource, observed, pending));
  return { ...draft, details, ...(running === undefined ? {} : { unfinished: true }) };
}

/** A snapshot from before what is laid in this pass would bring the older files back. */
function backOf({ dependsOn }: ProvisionResource, { back }: ObservedProvision, { actionOf }: PlanContext): string {
  const isLaid = dependsOn.some((id) => id.startsWith("overlay/") && (actionOf(id) ?? "keep") !== "keep");
  return isLaid ? "" : back;
}

/** From the snapshot before them, or on top of what they did. */
function howAgain({ steps }: ProvisionResource, { back }: ObservedProvision, { steps: [first = 0] }: Pending): string {
  return back === ""
    ? FORWARD_ONLY
    : `the root is first taken back to ${back}, taken before step ${steps[first]?.name}`;
}

const FORWARD_ONLY = "not atomic: what these steps did before stays, and they run again on top of it";

function reasonOf(
  { steps }: ProvisionResource,
  observed: ObservedProvision,
  { steps: pending, kept }: Pending,
): string {
  const { running, done, packages } = observed;
  const [first = 0] = pending;
  const name = steps[first]?.name ?? "";
  if (running !== undefined && (running.name === name || pending.length === 0))
    return `the root is in the middle of step ${running.name}: it was begun and has not succeeded`;
  if (kept === steps.length) {
    const { missing = [], unwanted = [] } = packages[name] ?? {};
    const said = [
      ...missing.map((each) => `${each} is not installed`),
      ...unwanted.map((each) => `${each} is installed`),
    ];
    return `step ${name}: ${said.slice(0, 3).join(", ")}${said.length > 3 ? ", ..." : ""}`;
  }
  const rest = pending.length > 1 ? `, so that it and the ${pending.length - 1} after it run` : "";
  return done[kept] === undefined ? `step ${name} was not done yet${rest}` : `step ${name} changed${rest}`;
}

function takeNote(resource: ProvisionResource, observed: ObservedProvision, owned: OwnedRecord | undefined): Draft {
  const update = (cause: Cause, reason: string): Draft => run(resource, "update", cause, reason);
  if (!observed.settled) return update("corrective", "an interrupted run did not record what the steps left");
  const beyond = observed.done.slice(resource.steps.length).map(({ name }) => name);
  if (beyond.length > 0)
    return update("intentional", `no longer declared: ${beyond.join(", ")}; what they did stays in the root`);
  if (owned === undefined) return update("corrective", "its record was lost; the root's own note says what was done");
  if (owned.inputs.steps !== provisionInputs(resource).steps) return update("corrective", "its record is older");
  const policy = policyChange(resource, owned);
  return policy === undefined ? keep("all steps are done") : update("intentional", policy);
}

function lines({ steps }: ProvisionResource, positions: readonly number[]): readonly string[] {
  return positions.map((index) => `step ${index + 1} of ${steps.length}: ${steps[index]?.name ?? ""}`);
}

function waits({ root, name }: ProvisionResource): Blocked {
  const message = `cannot provision root ${name}: nothing of ours is at ${root.path}`;
  return { condition: "Waiting", message, hint: `see ${root.id}` };
}

function run(resource: ProvisionResource, action: Action, cause: Cause, reason: string): Draft {
  return { operation: "provision.run", arguments: { resource }, action, cause, reason };
}
