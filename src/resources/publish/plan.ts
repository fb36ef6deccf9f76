import type { OwnedRecord, PublishResource } from "../../core/resource.ts";
import type { Action, Blocked, Cause, Draft, PlanContext, Planner } from "../../core/step.ts";
import { forget, keep, policyChange } from "../owned.ts";
import type { ObservedPublish } from "./observe.ts";

export const publishPlanner: Planner<"publish", ObservedPublish> = { plan, planRemoval };

function plan(
  resource: PublishResource,
  observed: ObservedPublish,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  const action: Action = observed.published === "" ? "create" : "update";
  const refusal = refusalOf(resource, observed);
  if (refusal !== undefined) return { ...upload(resource, action, "intentional", refusal.message), blocked: refusal };
  const changed = context.actionOf(resource.artifact);
  if (changed === "create" || changed === "update" || changed === "replace")
    return {
      ...upload(resource, action, "intentional", `${resource.artifact} changes in this pass`),
      follows: resource.artifact,
    };
  if (observed.generation === "") {
    const message = `cannot publish ${resource.name}: ${observed.why}`;
    const blocked: Blocked = { condition: "Waiting", message, hint: `see ${resource.artifact}` };
    return { ...upload(resource, action, "intentional", message), blocked };
  }
  const change = changeOf(resource, observed, owned);
  if (change === undefined) return keep(`published as version ${observed.version}`);
  return {
    ...upload(resource, action, change.cause, change.reason),
    details: [...observed.upload, ...observed.differences],
  };
}

/** What is published stays: others rely on it. */
function planRemoval(record: OwnedRecord): Draft {
  return forget(record, "no longer declared; what was published stays");
}

function refusalOf(resource: PublishResource, { problem, state, whose }: ObservedPublish): Blocked | undefined {
  if (problem !== undefined) return { ...problem };
  if (state !== "foreign") return undefined;
  const message = `cannot publish ${resource.name} to ${resource.place.path}: it is ${whose}`;
  return { condition: "Refused", message, hint: "name a directory that is empty, or not there yet" };
}

interface Change {
  readonly cause: Cause;
  readonly reason: string;
}

function changeOf(
  resource: PublishResource,
  observed: ObservedPublish,
  owned: OwnedRecord | undefined,
): Change | undefined {
  const { generation, published, differences, state } = observed;
  if (owned === undefined) {
    const reason = published === "" ? "it is declared and was never published" : "published, but not recorded";
    return { cause: published === "" ? "intentional" : "corrective", reason };
  }
  const wanted = publishInputs(resource, generation);
  const changed = Object.keys(wanted).filter((name) => wanted[name] !== owned.inputs[name]);
  if (changed.includes("generation"))
    return {
      cause: "intentional",
      reason: `generation ${generation} is current, ${owned.inputs.generation} was published`,
    };
  if (changed.length > 0) return { cause: "intentional", reason: `${changed.join(", ")} changed` };
  if (state !== "ours")
    return { cause: "corrective", reason: `nothing is published in ${resource.place.path} any more` };
  const [first, ...more] = differences;
  if (first !== undefined) {
    const others = more.length === 0 ? "" : ` and ${more.length} more`;
    return { cause: "corrective", reason: `what is published differs: ${first}${others}` };
  }
  if (published !== generation) return { cause: "corrective", reason: `generation ${published} is offered there` };
  const policy = policyChange(resource, owned);
  return policy === undefined ? undefined : { cause: "intentional", reason: policy };
}

/** What decides how a generation is published, by name. Keys are named, and never told. */
export function publishInputs(resource: PublishResource, generation: string): Readonly<Record<string, string>> {
  const { place, keep: count, sign, secret } = resource;
  const far = place.type === "ssh" ? `${place.user}@${place.host}:${place.port}:` : "";
  return {
    generation,
    place: `${far}${place.path}`,
    keep: String(count),
    sign: sign === undefined ? "" : `${sign.tool}:${sign.key}`,
    secret: String(secret),
  };
}

function upload(resource: PublishResource, action: Action, cause: Cause, reason: string): Draft {
  return { operation: "publish.upload", arguments: { resource }, action, cause, reason };
}
