import type { OwnedRecord, ProvisionResource, ProvisionStep } from "../../core/resource.ts";
import type { Action, Blocked, Cause, Draft, PlanContext, Planner } from "../../core/step.ts";
import { forget, keep, policyChange } from "../owned.ts";
import type { ObservedProvision } from "./observe.ts";
import type { PackageDifference } from "./packages/adapter.ts";

const NAMED_MAX = 3;

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
  const areAllBehind = kept === resource.steps.length;
  const isLeft = (step: ProvisionStep) =>
    step.name === observed.running?.name || differenceOf(step, observed) !== undefined;
  const isPending = (step: ProvisionStep, index: number) => (areAllBehind ? isLeft(step) : index >= kept);
  return { steps: resource.steps.flatMap((step, index) => (isPending(step, index) ? [index] : [])), kept };
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

/** What is wrong with a step's packages. A step may be called like what every object has: `constructor`. */
function differenceOf({ name }: ProvisionStep, { packages }: ObservedProvision): PackageDifference | undefined {
  return Object.hasOwn(packages, name) ? packages[name] : undefined;
}

function runSteps(
  resource: ProvisionResource,
  observed: ObservedProvision,
  owned: OwnedRecord | undefined,
  pending: Pending,
): Draft {
  const { running, done } = observed;
  const first = resource.steps.find((_, index) => index === pending.steps[0]);
  const again = done.length > pending.kept;
  const action: Action = owned === undefined ? "create" : "update";
  const isSame = owned?.inputs.steps === provisionInputs(resource).steps;
  const cause: Cause = isSame ? "corrective" : "intentional";
  const details = [
    ...(running === undefined ? [] : [`the root is in the middle of step ${running.name}, begun ${running.startedAt}`]),
    ...lines(resource, pending.steps),
    ...(again || running !== undefined ? [howAgain(first, observed)] : []),
  ];
  const draft = run(resource, action, cause, reasonOf(first, observed, pending));
  return { ...draft, details, ...(running === undefined ? {} : { unfinished: true }) };
}

/** A snapshot from before what is laid in this pass would bring the older files back. */
function backOf({ dependsOn }: ProvisionResource, { back }: ObservedProvision, { actionOf }: PlanContext): string {
  const isLaid = dependsOn.some((id) => id.startsWith("overlay/") && (actionOf(id) ?? "keep") !== "keep");
  return isLaid ? "" : back;
}

/** From the snapshot before them, or on top of what they did. */
function howAgain(first: ProvisionStep | undefined, { back }: ObservedProvision): string {
  if (first === undefined || back === "") return FORWARD_ONLY;
  return `the root is first taken back to ${back}, taken before step ${first.name}`;
}

const FORWARD_ONLY = "not atomic: what these steps did before stays, and they run again on top of it";

/** `first`: the step that runs first; none does where only one is in its middle that is not declared any more. */
function reasonOf(first: ProvisionStep | undefined, observed: ObservedProvision, { steps, kept }: Pending): string {
  const { running, done } = observed;
  const begun = running?.name;
  if (first === undefined || first.name === begun)
    return `the root is in the middle of step ${begun}: it was begun and has not succeeded`;
  const difference = differenceOf(first, observed);
  if (difference !== undefined) return `step ${first.name}: ${packagesText(difference)}`;
  const rest = steps.length > 1 ? `, so that it and the ${steps.length - 1} after it run` : "";
  return done[kept] === undefined ? `step ${first.name} was not done yet${rest}` : `step ${first.name} changed${rest}`;
}

function packagesText({ missing, unwanted }: PackageDifference): string {
  const said = [
    ...missing.map((each) => `${each} is not installed`),
    ...unwanted.map((each) => `${each} is installed`),
  ];
  return `${said.slice(0, NAMED_MAX).join(", ")}${said.length > NAMED_MAX ? ", ..." : ""}`;
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
  const all = steps.map(({ name }, index) => `step ${index + 1} of ${steps.length}: ${name}`);
  return all.filter((_, index) => positions.includes(index));
}

function waits({ root, name }: ProvisionResource): Blocked {
  const message = `cannot provision root ${name}: nothing of ours is at ${root.path}`;
  return { condition: "Waiting", message, hint: `see ${root.id}` };
}

function run(resource: ProvisionResource, action: Action, cause: Cause, reason: string): Draft {
  return { operation: "provision.run", arguments: { resource }, action, cause, reason };
}
