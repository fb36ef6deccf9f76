import type { EnvironmentResource, OwnedRecord } from "../../core/resource.ts";
import type { Action, Blocked, Cause, Draft, PlanContext, Planner } from "../../core/step.ts";
import { detail, forget, keep, keepProtected, policyChange } from "../owned.ts";
import type { ObservedEnvironment } from "./observe.ts";

export const environmentPlanner: Planner<"environment", ObservedEnvironment> = { plan, planRemoval };

function plan(
  resource: EnvironmentResource,
  observed: ObservedEnvironment,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  if (observed.refusal !== "")
    return write(resource, "create", "intentional", "new", refused(resource, observed.refusal, observed.hint));
  if (observed.state === "absent") return create(resource, observed, owned, context);
  if (observed.state === "foreign") return adopt(resource, observed, context);
  return update(resource, observed, owned);
}

function planRemoval(record: OwnedRecord, observed: ObservedEnvironment): Draft {
  const reason = "its declaration was removed";
  if (record.protect) return keepProtected(record);
  if (record.onDelete === "retain") return forget(record, `${reason}; the file is kept`);
  if (observed.refusal === "" && observed.state === "absent") return forget(record, `${observed.path} is gone already`);
  if (observed.refusal === "" && (observed.state === "foreign" || observed.sha256 !== record.inputs.content))
    return forget(record, `${observed.path} is not as we wrote it; it is kept`);
  const step: Draft = {
    operation: "environment.delete",
    arguments: { record },
    action: "delete",
    cause: "intentional",
    reason,
  };
  if (observed.refusal === "") return step;
  return { ...step, blocked: { condition: "Refused", message: observed.refusal, hint: observed.hint } };
}

function create(
  resource: EnvironmentResource,
  observed: ObservedEnvironment,
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
  const reason = moved ? `moved from ${detail(owned, "path")}` : `the file disappeared: nothing is at ${resource.path}`;
  return write(resource, "create", moved ? "intentional" : "corrective", reason, blocked);
}

function adopt(resource: EnvironmentResource, observed: ObservedEnvironment, context: PlanContext): Draft {
  const reason = `${resource.path} is ${observed.what}`;
  const adopted = context.adoptions.has(resource.id) && observed.adoptable;
  const hint = observed.adoptable ? `rootloom adopt ${resource.id}, or move it away` : `move ${resource.path} away`;
  return write(resource, "adopt", "intentional", reason, adopted ? undefined : refused(resource, reason, hint));
}

function update(resource: EnvironmentResource, observed: ObservedEnvironment, owned: OwnedRecord | undefined): Draft {
  const { sha256, wanted, changed, mode } = observed;
  if (sha256 !== wanted) {
    const edited = owned === undefined || owned.inputs.content === wanted;
    const names = changed.length === 0 ? "its text" : changed.slice(0, 5).join(", ");
    const reason = edited ? `${names} was changed by hand` : `${names} changed`;
    const details = changed.map((name) => `${name} differs`);
    return { ...write(resource, "update", edited ? "corrective" : "intentional", reason), details };
  }
  if (mode !== resource.mode) {
    const changed = owned !== undefined && owned.inputs.mode !== octal(resource.mode);
    const reason = `mode is ${octal(mode)}, ${octal(resource.mode)} is declared`;
    return write(resource, "update", changed ? "intentional" : "corrective", reason);
  }
  if (owned === undefined)
    return write(resource, "update", "corrective", "its record was lost; its first line is ours");
  if (owned.inputs.content !== wanted || owned.inputs.mode !== octal(resource.mode))
    return write(resource, "update", "intentional", "its record is older");
  const policy = policyChange(resource, owned);
  return policy === undefined ? keep("as declared") : write(resource, "update", "intentional", policy);
}

function refused(resource: EnvironmentResource, why: string, hint: string): Blocked {
  return { condition: "Refused", message: `cannot write environment file ${resource.path}: ${why}`, hint };
}

function write(resource: EnvironmentResource, action: Action, cause: Cause, reason: string, blocked?: Blocked): Draft {
  const step = { operation: "environment.write", arguments: { resource }, action, cause, reason } as const;
  return blocked === undefined ? step : { ...step, blocked };
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
