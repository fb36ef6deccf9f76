import type { LinkResource, OwnedRecord } from "../../core/resource.ts";
import type { Action, Blocked, Cause, Draft, PlanContext, Planner } from "../../core/step.ts";
import { detail, forget, keep, keepProtected, policyChange } from "../owned.ts";
import type { ObservedLink } from "./observe.ts";

export const linkPlanner: Planner<"link", ObservedLink> = { plan, planRemoval };

function plan(
  resource: LinkResource,
  observed: ObservedLink,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  if (observed.refusal !== "")
    return write(resource, "create", "intentional", "new", refused(resource, observed.refusal, observed.hint));
  if (observed.type === "nothing") return create(resource, observed, owned, context);
  if (observed.type !== "symlink")
    return write(resource, "create", "intentional", `a ${observed.type} stands there`, inTheWay(resource, observed));
  const reason = `it leads to ${observed.target}, ${resource.target} is declared`;
  const ours = detail(owned, "path") === resource.path;
  if (observed.target !== resource.target && !ours) return adopt(resource, observed, context);
  if (observed.target !== resource.target)
    return write(
      resource,
      "update",
      detail(owned, "target") === resource.target ? "corrective" : "intentional",
      reason,
    );
  if (owned === undefined) return write(resource, "update", "corrective", "it is as declared, but not recorded");
  const policy = detail(owned, "target") === resource.target ? policyChange(resource, owned) : "its record is older";
  return policy === undefined ? keep("as declared") : write(resource, "update", "intentional", policy);
}

function planRemoval(record: OwnedRecord, observed: ObservedLink): Draft {
  const target = detail(record, "target");
  const reason = "its declaration was removed";
  if (record.protect) return keepProtected(record);
  if (record.onDelete === "retain") return forget(record, `${reason}; the link is kept`);
  if (observed.refusal === "" && observed.type === "nothing") return forget(record, `${observed.path} is gone already`);
  if (observed.refusal === "" && (observed.type !== "symlink" || observed.target !== target))
    return forget(record, `${observed.path} is not the link to ${target} any more; it is kept`);
  const step: Draft = {
    operation: "link.delete",
    arguments: { record },
    action: "delete",
    cause: "intentional",
    reason,
  };
  if (observed.refusal === "") return step;
  return { ...step, blocked: { condition: "Refused", message: observed.refusal, hint: observed.hint } };
}

function create(
  resource: LinkResource,
  observed: ObservedLink,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  const made = resource.dependsOn.some((id) => context.actionOf(id) === "create");
  const blocked =
    observed.parent || made
      ? undefined
      : refused(resource, "the directory above it is not there", `make the directory above ${resource.path}`);
  if (owned === undefined) return write(resource, "create", "intentional", "new", blocked);
  const moved = detail(owned, "path") !== resource.path;
  const reason = moved ? `moved from ${detail(owned, "path")}` : `the link disappeared: nothing is at ${resource.path}`;
  return write(resource, "create", moved ? "intentional" : "corrective", reason, blocked);
}

function adopt(resource: LinkResource, observed: ObservedLink, context: PlanContext): Draft {
  const reason = `it leads to ${observed.target}, and we did not make it`;
  const blocked = refused(resource, reason, `rootloom adopt ${resource.id}, or remove ${resource.path}`);
  return write(resource, "adopt", "intentional", reason, context.adoptions.has(resource.id) ? undefined : blocked);
}

function inTheWay(resource: LinkResource, observed: ObservedLink): Blocked {
  return refused(resource, `a ${observed.type} stands there`, `move ${resource.path} away`);
}

function refused(resource: LinkResource, why: string, hint: string): Blocked {
  return { condition: "Refused", message: `cannot write link ${resource.path}: ${why}`, hint };
}

function write(resource: LinkResource, action: Action, cause: Cause, reason: string, blocked?: Blocked): Draft {
  const step = { operation: "link.write", arguments: { resource }, action, cause, reason } as const;
  return blocked === undefined ? step : { ...step, blocked };
}
