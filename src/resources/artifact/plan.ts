import type { ArtifactResource, OwnedRecord, ResourceId } from "../../core/resource.ts";
import type { Action, Blocked, Cause, Draft, PlanContext, Planner } from "../../core/step.ts";
import { forget, keep, policyChange } from "../owned.ts";
import type { ObservedArtifact } from "./observe.ts";

const NAMED_MAX = 3;
/** Begins the names of inputs that are files of the host: a commit names them, and does not hold them. */
export const OF_HOST = "host/";

export const artifactPlanner: Planner<"artifact", ObservedArtifact> = { plan, planRemoval };

function plan(
  resource: ArtifactResource,
  observed: ObservedArtifact,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  const action: Action = observed.generation === "" ? "create" : "update";
  const below = changedBelow(resource, observed, owned, context);
  const refusal = refusalOf(resource, observed, below !== undefined);
  if (refusal !== undefined) return { ...pack(resource, action, "intentional", refusal.message), blocked: refusal };
  const first = observed.generation === "";
  // With what changes in this pass, other inputs are wanted than those that were looked at.
  const held = (draft: Draft) => (below === undefined ? unlessQuarantined(resource, observed, draft) : draft);
  if (first) return held(planFirst(resource, observed, owned, below));
  if (observed.damage !== "") return held(pack(resource, "update", "corrective", `artifact: ${observed.damage}`));
  if (below !== undefined) {
    const { cause, reason, follows } = below;
    return approved(resource, { ...pack(resource, "update", cause, reason), follows });
  }
  if (observed.inputs === undefined) return keep("its root is not there; the last generation stays");
  const change = changeOf(observed);
  if (change !== undefined) {
    const fresh = changedNames(observed).includes("excludes") ? stripped(resource) : [];
    const packed = pack(resource, "update", change.cause, change.reason);
    return held(approved(resource, { ...packed, details: [...observed.difference, ...fresh] }));
  }
  if (observed.current !== observed.generation) return switchBack(resource, observed);
  if (owned === undefined) return pack(resource, "update", "corrective", "whole, but not recorded");
  const policy = policyChange(resource, owned) ?? checkChange(resource, observed, owned);
  if (policy === undefined) return keep(`packed as generation ${observed.generation}`);
  return held(pack(resource, "update", "intentional", policy));
}

/** What the declared check asks of the generation that stands, or no longer asks. */
function checkChange(resource: ArtifactResource, observed: ObservedArtifact, owned: OwnedRecord): string | undefined {
  if (observed.check?.state === "unchecked") return "its boot check was not run yet";
  if (observed.check?.state === "failed") return "it does not pass its boot check";
  const isRecorded = owned.details.checked === true;
  return isRecorded && resource.bootCheck === undefined ? "no boot check is declared any more" : undefined;
}

/** What failed its check stays out until an input, or the check, is another; what is current stays current. */
function unlessQuarantined(resource: ArtifactResource, observed: ObservedArtifact, draft: Draft): Draft {
  const { check, wanted, generation } = observed;
  if (check?.state !== "failed") return draft;
  const stays = generation === "" ? "there is no current one" : `generation ${generation} stays current`;
  const blocked: Blocked = {
    condition: "Quarantined",
    message: `generation ${wanted} is quarantined: in its boot check it ${check.message}; ${stays}`,
    hint: `see ${resource.path}/${wanted}/boot.log; it is tried again when an input changes, or by: rootloom trigger ${resource.id}`,
  };
  return { ...draft, blocked };
}

function planRemoval(record: OwnedRecord, observed: ObservedArtifact): Draft {
  if (observed.problem !== undefined) {
    const { condition, message, hint } = observed.problem;
    const destroys = `all generations of ${record.name} in ${record.details.path}`;
    return { ...remove(record), destroys, blocked: { condition, message, hint } };
  }
  if (observed.state === "absent") return forget(record, "no longer declared, and gone");
  if (observed.state === "foreign") return forget(record, `no longer declared; what stands there is ${observed.whose}`);
  if (record.onDelete === "retain" || record.protect)
    return forget(record, "no longer declared; its generations are kept");
  const { generations } = observed;
  const what = `${generations} ${generations === 1 ? "generation" : "generations"}`;
  return { ...remove(record), destroys: `${what} of ${record.name} in ${record.details.path}` };
}

function remove(record: OwnedRecord): Draft {
  const step = { operation: "artifact.delete", arguments: { record }, action: "delete" } as const;
  return { ...step, cause: "intentional", reason: "no longer declared" };
}

interface Change {
  readonly cause: Cause;
  readonly reason: string;
}

function planFirst(
  resource: ArtifactResource,
  observed: ObservedArtifact,
  owned: OwnedRecord | undefined,
  below: Change | undefined,
): Draft {
  if (observed.inputs === undefined && below === undefined && resource.base.type === "tree") {
    const blocked: Blocked = {
      condition: "Waiting",
      message: `cannot pack ${resource.name}: its root ${resource.base.path} is not there`,
      hint: `see ${resource.base.tree}`,
    };
    return { ...pack(resource, "create", "intentional", blocked.message), blocked };
  }
  const details = stripped(resource);
  const told = details.length === 0 ? {} : { details };
  if (owned === undefined)
    return { ...pack(resource, "create", "intentional", "it is declared and was never packed"), ...told };
  return pack(resource, "create", "corrective", `${resource.path} is gone`);
}

/** The root, an overlay copied into it, or the kernel is another one after this pass: the key is known only then. */
function changedBelow(
  resource: ArtifactResource,
  observed: ObservedArtifact,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): (Change & { readonly follows: ResourceId }) | undefined {
  for (const id of resource.dependsOn) {
    if (!/^(tree|overlay|provision|kernel)\//.test(id)) continue;
    const overlay = context.leaving?.get(id);
    if (overlay !== undefined)
      return { cause: "intentional", reason: `${overlay} is taken out of ${id} in this pass`, follows: overlay };
    const action = context.actionOf(id);
    if (action !== "create" && action !== "replace" && action !== "update") continue;
    const isOfRoot = !id.startsWith("kernel/");
    const intentional = !isOfRoot || action === "replace" || owned === undefined || !rootWasEdited(observed, action);
    return { cause: intentional ? "intentional" : "corrective", reason: `${id} changes in this pass`, follows: id };
  }
  return undefined;
}

/** A root that had already left what was packed is being put back; one that had not is changed by the commit. */
function rootWasEdited(observed: ObservedArtifact, action: Action): boolean {
  if (observed.inputs === undefined) return action === "create";
  return changedNames(observed).some((name) => name.startsWith("root/"));
}

function changeOf(observed: ObservedArtifact): Change | undefined {
  const changed = changedNames(observed);
  // The commit's own inputs are named first: they are what a person did on purpose.
  const isOfHost = (input: string) => input.startsWith("root/") || input.startsWith(OF_HOST);
  const names = [...changed.filter((input) => !isOfHost(input)), ...changed.filter(isOfHost)];
  const [name] = names;
  if (name === undefined) return undefined;
  const paths = observed.difference.slice(0, NAMED_MAX).join(", ");
  const list = paths === "" ? "" : `: ${paths}`;
  if (!isOfHost(name)) return { cause: "intentional", reason: `${names.join(", ")} changed${list}` };
  const what = name.startsWith(OF_HOST) ? name.slice(OF_HOST.length) : `root ${name.slice("root/".length)}`;
  return { cause: "corrective", reason: `${what} changed on the host${list}` };
}

function changedNames({ inputs = {}, packed }: ObservedArtifact): readonly string[] {
  const names = [...Object.keys(inputs), ...Object.keys(packed).filter((name) => !(name in inputs))];
  const changed = names.filter((name) => inputs[name] !== packed[name]);
  // An overlay that comes or goes changes the order too; its own name says more.
  return changed.length > 1 ? changed.filter((name) => name !== "order") : changed;
}

/** What it waits for may come in this very pass: the step looks once more. */
function refusalOf(resource: ArtifactResource, observed: ObservedArtifact, changesBelow: boolean): Blocked | undefined {
  if (observed.problem !== undefined && !(observed.problem.condition === "Waiting" && changesBelow)) {
    const { condition, message, hint } = observed.problem;
    return { condition, message, hint };
  }
  if (observed.state !== "foreign") return undefined;
  return {
    condition: "Refused",
    message: `cannot pack into ${resource.path}: it is ${observed.whose}`,
    hint: "move it away, or give the Image another name",
  };
}

function switchBack(resource: ArtifactResource, observed: ObservedArtifact): Draft {
  const { generation, current } = observed;
  return {
    operation: "artifact.switch",
    arguments: { resource, generation },
    action: "update",
    cause: "corrective",
    reason:
      current === "" ? "the link current is missing" : `current points to ${current}, ${generation} was packed last`,
  };
}

function pack(resource: ArtifactResource, action: Action, cause: Cause, reason: string): Draft {
  return { operation: "artifact.pack", arguments: { resource }, action, cause, reason };
}

/** Excludes that nobody wrote one by one. `explain` has them always, a plan when they are new. */
function stripped({ strip }: ArtifactResource): readonly string[] {
  return Object.entries(strip ?? {}).map(([what, excludes]) => `strip ${what}: ${excludes.join(", ")}`);
}

function approved(resource: ArtifactResource, draft: Draft): Draft {
  if (resource.packPolicy === "onChange") return draft;
  const blocked: Blocked = {
    condition: "ApprovalRequired",
    message: `${resource.id} is out of date: ${draft.reason}`,
    hint: `rootloom approve ${resource.id}`,
  };
  return { ...draft, blocked };
}
