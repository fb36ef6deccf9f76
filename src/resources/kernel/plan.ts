import type { KernelResource, OwnedRecord, ResourceId } from "../../core/resource.ts";
import type { Action, Blocked, Cause, Draft, PlanContext, Planner } from "../../core/step.ts";
import { forget, keep, keepProtected, policyChange } from "../owned.ts";
import type { ObservedKernel } from "./observe.ts";

export const kernelPlanner: Planner<"kernel", ObservedKernel> = { plan, planRemoval };

function plan(
  resource: KernelResource,
  observed: ObservedKernel,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  const action: Action = observed.current === "" ? "create" : "update";
  const changing = resource.dependsOn.filter((id) => changes(context.actionOf(id)));
  // A volume with the source is looked at when the step is run; an image, and a root with compilers, are inputs.
  const below = changing.find((id) => !id.startsWith("volume/")) ?? changing[0];
  const refusal = refusalOf(resource, observed, below !== undefined);
  if (refusal !== undefined) return { ...build(resource, action, "intentional", refusal.message), blocked: refusal };
  const draft = planBuild(resource, observed, owned, below);
  // With what changes in this pass, another kernel is wanted than the one that was looked at.
  return below === undefined ? unlessQuarantined(resource, observed, draft) : draft;
}

function planBuild(
  resource: KernelResource,
  observed: ObservedKernel,
  owned: OwnedRecord | undefined,
  below: ResourceId | undefined,
): Draft {
  const action: Action = observed.current === "" ? "create" : "update";
  const image = resource.initramfs?.artifact;
  // Nobody can say which input is another while the source comes with its volume in this pass.
  const isUnknown = observed.current !== "" && observed.inputs === undefined;
  if (below !== undefined && (isUnknown || !below.startsWith("volume/"))) {
    const follows = owned === undefined ? {} : { follows: below };
    return { ...build(resource, action, "intentional", `${below} changes in this pass`), ...follows };
  }
  if (image !== undefined && observed.inputs?.initramfs === "") {
    const message = `cannot embed ${image} in kernel ${resource.name}: it is not packed yet`;
    return {
      ...build(resource, action, "intentional", message),
      blocked: { condition: "Waiting", message, hint: `see ${image}` },
    };
  }
  if (observed.current === "" && owned === undefined)
    return build(resource, "create", "intentional", "it is declared and was never built");
  if (observed.current === "")
    return build(resource, "create", "corrective", `its current kernel is gone from ${resource.path}`);
  if (observed.damage !== "") return build(resource, "update", "corrective", observed.damage);
  const changed = changedInputs(observed);
  if (changed.length > 0) return build(resource, "update", causeOf(changed, observed), reasonOf(changed, observed));
  if (owned === undefined) return build(resource, "update", "corrective", "whole, but not recorded");
  // A kill between the switch and the record: what the new one replaced was not removed yet.
  if (owned.details.generation !== observed.current)
    return build(resource, "update", "corrective", "its record is of another generation");
  const policy = policyChange(resource, owned) ?? checkChange(resource, observed, owned);
  return policy === undefined
    ? keep(`built as generation ${observed.current}`)
    : build(resource, "update", "intentional", policy);
}

/** What the declared check asks of the kernel that stands, or no longer asks. */
function checkChange({ bootCheck }: KernelResource, { check }: ObservedKernel, owned: OwnedRecord): string | undefined {
  if (check?.state === "unchecked") return "its boot check was not run yet";
  if (check?.state === "failed") return "it does not pass its boot check";
  return owned.details.checked === true && bootCheck === undefined ? "no boot check is declared any more" : undefined;
}

/** What failed its check stays out until an input, or the check, is another; what is current stays current. */
function unlessQuarantined({ id, path }: KernelResource, observed: ObservedKernel, draft: Draft): Draft {
  const { check, wanted, current } = observed;
  if (check?.state !== "failed") return draft;
  const stays = current === "" ? "there is no current one" : `generation ${current} stays current`;
  const blocked: Blocked = {
    condition: "Quarantined",
    message: `generation ${wanted} is quarantined: in its boot check it ${check.message}; ${stays}`,
    hint: `see ${path}/${wanted}/boot.log; it is tried again when an input changes, or by: rootloom trigger ${id}`,
  };
  return { ...draft, blocked };
}

function planRemoval(record: OwnedRecord, observed: ObservedKernel): Draft {
  const { problem, state, whose, generations } = observed;
  if (record.protect) return keepProtected(record);
  const remove: Draft = {
    operation: "kernel.delete",
    arguments: { record },
    action: "delete",
    cause: "intentional",
    reason: "no longer declared",
    destroys: `${generations} built ${generations === 1 ? "kernel" : "kernels"} in ${record.details.path}`,
  };
  if (problem !== undefined) return { ...remove, blocked: { ...problem } };
  if (state === "absent") return forget(record, "no longer declared, and gone");
  if (state === "foreign") return forget(record, `no longer declared; what stands there is ${whose}`);
  return record.onDelete === "retain" ? forget(record, "no longer declared; its kernels are kept") : remove;
}

function changes(action: Action | undefined): boolean {
  return action === "create" || action === "replace" || action === "update";
}

/** A source in a volume that is made in this pass is looked for when the step is run. */
function refusalOf(resource: KernelResource, observed: ObservedKernel, changesBelow: boolean): Blocked | undefined {
  const { problem, state, whose } = observed;
  if (problem !== undefined && !(problem.condition === "Waiting" && changesBelow)) return { ...problem };
  if (state !== "foreign") return undefined;
  const message = `cannot build into ${resource.path}: it is ${whose}`;
  return { condition: "Refused", message, hint: "move it away, or give the KernelConfig another name" };
}

function changedInputs({ inputs = {}, built }: ObservedKernel): readonly string[] {
  return [...new Set([...Object.keys(inputs), ...Object.keys(built)])].filter((name) => inputs[name] !== built[name]);
}

/** A compiler, and a source that is only read, are the host's; everything else is the commit's. */
function causeOf(changed: readonly string[], { built }: ObservedKernel): Cause {
  const isOfHost = (name: string) =>
    name === "compiler" || (name === "source" && built.source?.startsWith("directory:"));
  return changed.every(isOfHost) ? "corrective" : "intentional";
}

function reasonOf(changed: readonly string[], { inputs = {}, built }: ObservedKernel): string {
  if (changed.length === 1 && changed[0] === "compiler")
    return `compiler is ${inputs.compiler}, it was ${built.compiler}`;
  return `${changed.join(", ")} changed`;
}

function build(resource: KernelResource, action: Action, cause: Cause, reason: string): Draft {
  return { operation: "kernel.build", arguments: { resource }, action, cause, reason };
}
