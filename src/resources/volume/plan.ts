import type { OwnedRecord, VolumeResource } from "../../core/resource.ts";
import type { Blocked, Draft, PlanContext, Planner } from "../../core/step.ts";
import { detail, forget, keep, keepProtected, policyChange } from "../owned.ts";
import type { ObservedVolume } from "./observe.ts";

export const volumePlanner: Planner<"volume", ObservedVolume> = { plan, planRemoval };

function plan(
  resource: VolumeResource,
  observed: ObservedVolume,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  if (observed.refusal !== "") return create(resource, owned, refused(resource, observed.refusal, observed.hint));
  if (observed.wanted === undefined) return create(resource, owned, unknownOwner(resource));
  if (observed.state === "absent")
    return create(resource, owned, reasonNotToCreate(resource, observed, owned, context));
  if (observed.state === "foreign") return adopt(resource, observed, context);
  return update(resource, observed, owned);
}

function planRemoval(record: OwnedRecord, observed: ObservedVolume): Draft {
  if (record.protect) return keepProtected(record);
  if (observed.state === "absent" && observed.refusal === "") return forget(record, `${observed.path} is gone already`);
  if (record.onDelete === "retain") return forget(record, "its declaration was removed; its data is kept");
  return {
    operation: "volume.delete",
    arguments: { record },
    action: "delete",
    cause: "intentional",
    reason: "its declaration was removed",
    destroys: `all data below ${observed.path}`,
    ...reasonNotToDelete(record, observed),
  };
}

function create(resource: VolumeResource, owned: OwnedRecord | undefined, blocked: Blocked | undefined): Draft {
  return {
    operation: "volume.create",
    arguments: { resource },
    action: "create",
    cause: owned === undefined ? "intentional" : "corrective",
    reason: owned === undefined ? "new" : `the volume disappeared: nothing is at ${resource.path}`,
    ...(blocked === undefined ? {} : { blocked }),
  };
}

function reasonNotToCreate(
  resource: VolumeResource,
  observed: ObservedVolume,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Blocked | undefined {
  if (owned !== undefined && owned.identity !== resource.identity)
    return refused(
      resource,
      `it is recorded at ${detail(owned, "path")}, not at ${resource.path}`,
      `move it there, or \`rootloom forget ${resource.id}\` and remove nothing`,
    );
  const madeHere = resource.dependsOn.some((id) => context.actionOf(id) === "create");
  if (!observed.parent && !madeHere)
    return refused(resource, "its parent directory is not there", `make or mount the directory above ${resource.path}`);
  if (observed.moved)
    return refused(
      resource,
      `${resource.path} is on another filesystem than recorded`,
      "mount the filesystem that holds the volume",
    );
  return undefined;
}

function adopt(resource: VolumeResource, observed: ObservedVolume, context: PlanContext): Draft {
  const wish = context.adoptions.has(resource.id);
  const blocked: Blocked = {
    condition: "Refused",
    message: `cannot use volume ${resource.name}: ${resource.path} is ${observed.what}`,
    hint:
      observed.type === "directory" ? `rootloom adopt ${resource.id}, or move it away` : `move ${resource.path} away`,
  };
  return {
    operation: "volume.adopt",
    arguments: { resource },
    action: "adopt",
    cause: "intentional",
    reason: `${resource.path} is ${observed.what}`,
    ...(wish && observed.type === "directory" ? {} : { blocked }),
  };
}

function update(resource: VolumeResource, observed: ObservedVolume, owned: OwnedRecord | undefined): Draft {
  const draft = (cause: "intentional" | "corrective", reason: string): Draft => ({
    operation: "volume.update",
    arguments: { resource },
    action: "update",
    cause,
    reason,
  });
  const drift = attributeDrift(resource, observed);
  if (owned === undefined) return draft("corrective", drift ?? "its record was lost; its marker is ours");
  const policy = policyChange(resource, owned);
  if (drift !== undefined)
    return draft(attributesChanged(resource, observed, owned) ? "intentional" : "corrective", drift);
  return policy === undefined ? keep("as declared") : draft("intentional", policy);
}

function attributeDrift(resource: VolumeResource, observed: ObservedVolume): string | undefined {
  if (observed.mode !== resource.mode) return `mode is ${octal(observed.mode)}, ${octal(resource.mode)} is declared`;
  const { owner, group } = resource.ownership;
  if (observed.owner !== observed.wanted?.owner || observed.group !== observed.wanted.group)
    return `owner is ${observed.owner}:${observed.group}, ${owner}:${group} is declared`;
  return undefined;
}

/** Whether the commit, not the host, brought the difference. */
function attributesChanged(resource: VolumeResource, observed: ObservedVolume, owned: OwnedRecord): boolean {
  const wanted = `${observed.wanted?.owner}:${observed.wanted?.group}`;
  return owned.inputs.mode !== octal(resource.mode) || owned.inputs.owner !== wanted;
}

function reasonNotToDelete(record: OwnedRecord, observed: ObservedVolume): { blocked?: Blocked } {
  const block = (why: string, hint: string) => ({
    blocked: { condition: "Refused", message: `cannot delete ${record.id}: ${why}`, hint } as const,
  });
  if (observed.refusal !== "") return block(observed.refusal, observed.hint);
  if (observed.state === "foreign")
    return block(`${observed.path} is ${observed.what}`, `rootloom forget ${record.id}`);
  if (observed.retained.length > 0)
    return block(
      `tree/${observed.retained.join(", tree/")} in it is to be kept`,
      `rootloom forget ${record.id}, or move the root out of ${observed.path}`,
    );
  return {};
}

function unknownOwner(resource: VolumeResource): Blocked {
  const { owner, group } = resource.ownership;
  return refused(resource, `this host has no user or group ${owner}:${group}`, "create them, or use numbers");
}

function refused(resource: VolumeResource, why: string, hint: string): Blocked {
  return { condition: "Refused", message: `cannot create volume ${resource.name}: ${why}`, hint };
}

/** As in ModeText: four octal digits. */
export function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
