import type { MountResource, OwnedRecord, ResourceId } from "../../core/resource.ts";
import type { Action, Blocked, Cause, Draft, PlanContext, Planner } from "../../core/step.ts";
import { forget, keep, policyChange } from "../owned.ts";
import { effectivePropagation } from "./commands.ts";
import type { ObservedMount } from "./observe.ts";

export const mountPlanner: Planner<"mount", ObservedMount> = { plan, planRemoval };

/** Named inputs of a mount, as text: the reason names the first that differs. */
export function mountInputs(resource: MountResource): Readonly<Record<string, string>> {
  const { type, source, target, options, namespace, folder } = resource;
  const propagation = effectivePropagation(resource) ?? "";
  const inputs = { namespace, target, type, source, options: options.join(","), propagation };
  if (folder?.ownership === undefined && folder?.mode === undefined) return inputs;
  const { ownership, mode } = folder;
  const owner = ownership === undefined ? "" : `${ownership.owner}:${ownership.group} `;
  return { ...inputs, folder: `${owner}${mode === undefined ? "" : mode.toString(8)}`.trim() };
}

function plan(
  resource: MountResource,
  observed: ObservedMount,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  if (observed.problem !== undefined) return refuse(resource, owned, { condition: "Refused", ...observed.problem });
  const changed = changedInput(resource, owned);
  const above = changedAbove(resource, context);
  if (resource.namespace === "private") return planPrivate(resource, owned, changed, above);
  if (observed.state === "stacked") {
    return refuse(resource, owned, taken(observed, `${observed.differences.length} mounts are stacked there`));
  }
  const unknown = owned === undefined && resource.within === "" && observed.state !== "absent";
  if (observed.state === "foreign" || (unknown && !context.adoptions.has(resource.id))) {
    return refuse(resource, owned, taken(observed, "another mount is there"));
  }
  return planHost(resource, observed, owned, { changed, above });
}

function planRemoval(record: OwnedRecord, observed: ObservedMount): Draft {
  if (observed.state === "private") return forget(record, "no longer declared; nothing of it is mounted");
  if (observed.state === "absent") return forget(record, "no longer declared, and not mounted");
  if (observed.state === "foreign")
    return forget(record, `no longer declared; what is mounted at ${observed.target} is not ours`);
  return {
    operation: "mount.unmount",
    arguments: { record },
    action: "delete",
    cause: "intentional",
    reason: `no longer declared: ${observed.target} is unmounted`,
  };
}

function planPrivate(
  resource: MountResource,
  owned: OwnedRecord | undefined,
  changed: string | undefined,
  above: ResourceId | undefined,
): Draft {
  const prove = (action: Action, cause: Cause, reason: string): Draft => ({
    operation: "mount.prove",
    arguments: { resource },
    action,
    cause,
    reason,
  });
  if (owned === undefined) return prove("create", "intentional", "it is declared and was never proved to work");
  if (changed !== undefined) return prove("update", "intentional", changed);
  if (above !== undefined) return { ...prove("update", "intentional", follow(above)), follows: above };
  const policy = policyChange(resource, owned);
  return policy === undefined ? keep("proved; private to each step") : prove("update", "intentional", policy);
}

interface Changes {
  /** Of the declaration since the record. */
  readonly changed: string | undefined;
  /** Of a parent mount or the root, in this pass. */
  readonly above: ResourceId | undefined;
}

function planHost(
  resource: MountResource,
  observed: ObservedMount,
  owned: OwnedRecord | undefined,
  { changed, above }: Changes,
): Draft {
  const cause: Cause = owned === undefined || changed !== undefined ? "intentional" : "corrective";
  if (observed.state === "absent") {
    const reason = owned === undefined ? "it is declared and not mounted" : (changed ?? "it is not mounted any more");
    return mount(resource, "create", cause, reason);
  }
  if (observed.state === "outdated") {
    return remount(
      resource,
      true,
      cause,
      changed ?? (above && follow(above)) ?? `source: ${observed.differences.join(", ")}`,
    );
  }
  if (above !== undefined) return { ...remount(resource, true, "intentional", follow(above)), follows: above };
  if (observed.state === "drifted") {
    const optionCause: Cause = changed === undefined ? "corrective" : "intentional";
    return remount(resource, false, optionCause, changed ?? observed.differences.join(", "));
  }
  if (owned === undefined) return mount(resource, "adopt", "corrective", "as declared, but not recorded");
  const note = changed ?? policyChange(resource, owned);
  if (note !== undefined) return mount(resource, "update", "intentional", note);
  const another = "as declared, and another mount than its record tells of";
  return observed.unrecorded ? mount(resource, "update", "corrective", another) : keep("as declared");
}

function mount(resource: MountResource, action: Action, cause: Cause, reason: string): Draft {
  return { operation: "mount.mount", arguments: { resource }, action, cause, reason };
}

function remount(resource: MountResource, unmountFirst: boolean, cause: Cause, reason: string): Draft {
  return { operation: "mount.remount", arguments: { resource, unmountFirst }, action: "update", cause, reason };
}

function refuse(resource: MountResource, owned: OwnedRecord | undefined, blocked: Blocked): Draft {
  const draft = mount(resource, owned === undefined ? "create" : "update", "corrective", blocked.message);
  return { ...draft, blocked };
}

function taken(observed: ObservedMount, why: string): Blocked {
  return {
    condition: "Refused",
    message: `cannot mount ${observed.target}: ${why} (${observed.differences.join("; ")})`,
    hint: `look with: findmnt ${observed.target}, then unmount by hand what is not wanted`,
  };
}

function changedInput(resource: MountResource, owned: OwnedRecord | undefined): string | undefined {
  if (owned === undefined) return undefined;
  const names = Object.entries(mountInputs(resource)).filter(([name, value]) => owned.inputs[name] !== value);
  const [first] = names;
  if (first === undefined) return undefined;
  const [name, value] = first;
  return `${name} changed: ${value || "none"} is declared, ${owned.inputs[name] || "none"} was applied`;
}

/** A changed parent re-does its children; so do a root that is another one after this pass, and an image with a new generation. */
function changedAbove(resource: MountResource, context: PlanContext): ResourceId | undefined {
  return resource.dependsOn.find((dependency) => {
    const action = context.actionOf(dependency);
    if (dependency.startsWith("mount/")) return action === "create" || action === "update" || action === "replace";
    if (dependency === resource.artifact) return action === "create" || action === "update";
    return dependency === resource.tree && (action === "create" || action === "replace");
  });
}

function follow(id: ResourceId): string {
  return `${id} changes in this pass`;
}
