import type { OwnedRecord, VolumeResource } from "../../core/resource.ts";
import { sizeText } from "../../core/size.ts";
import type { Blocked, Draft, PlanContext, Planner } from "../../core/step.ts";
import { detail, forget, keep, keepProtected, policyChange } from "../owned.ts";
import { differences, isIntended, volumeInputs } from "./differences.ts";
import type { ObservedVolume } from "./observe.ts";

export const volumePlanner: Planner<"volume", ObservedVolume> = { plan, planRemoval };

function plan(
  resource: VolumeResource,
  observed: ObservedVolume,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  if (observed.refusal !== "")
    return create(resource, observed, owned, refused(resource, observed.refusal, observed.hint));
  if (observed.wanted === undefined) return create(resource, observed, owned, unknownOwner(resource));
  if (observed.state === "absent")
    return create(resource, observed, owned, reasonNotToCreate(resource, observed, owned, context));
  if (observed.state === "foreign") return adopt(resource, observed, context);
  return update(resource, observed, owned);
}

function planRemoval(record: OwnedRecord, observed: ObservedVolume): Draft {
  if (record.protect) return keepProtected(record);
  if (observed.state === "absent" && observed.refusal === "")
    return forget(record, `${observed.place} is gone already`);
  if (record.onDelete === "retain") return forget(record, "its declaration was removed; its data is kept");
  const data = observed.place === observed.path ? `all data below ${observed.path}` : `all data of ${observed.place}`;
  return {
    operation: "volume.delete",
    arguments: { record },
    action: "delete",
    cause: "intentional",
    reason: "its declaration was removed",
    destroys: data,
    ...reasonNotToDelete(record, observed),
  };
}

function create(
  resource: VolumeResource,
  { place }: ObservedVolume,
  owned: OwnedRecord | undefined,
  blocked: Blocked | undefined,
): Draft {
  return {
    operation: "volume.create",
    arguments: { resource },
    action: "create",
    cause: owned === undefined ? "intentional" : "corrective",
    reason: owned === undefined ? newReason(resource) : `the volume disappeared: nothing is at ${place}`,
    ...(blocked === undefined ? {} : { blocked }),
  };
}

function newReason({ cloneOf }: VolumeResource): string {
  return cloneOf === undefined
    ? "new"
    : `new: a ${cloneOf.means} of ${cloneOf.volume.id}, with ${cloneOf.tree.id} in it`;
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
      `it is recorded at ${recordedPlace(owned)}, not at ${observed.place}`,
      `move it there, or \`rootloom forget ${resource.id}\` and remove nothing`,
    );
  const { obstacle } = observed;
  const madeHere = resource.dependsOn.some((id) => context.actionOf(id) === "create");
  if (obstacle !== undefined && !(obstacle.passing && madeHere)) return refused(resource, obstacle.why, obstacle.hint);
  if (observed.moved)
    return refused(
      resource,
      `${observed.place} is on another filesystem than recorded`,
      "mount the filesystem that holds the volume",
    );
  return undefined;
}

function adopt(resource: VolumeResource, observed: ObservedVolume, context: PlanContext): Draft {
  const { place, what, unadoptable, about } = observed;
  const wish = context.adoptions.has(resource.id);
  const blocked: Blocked = {
    condition: "Refused",
    message: `cannot use volume ${resource.name}: ${place} is ${what}`,
    hint: unadoptable === "" ? `rootloom adopt ${resource.id}, or move it away` : `move ${place} away`,
  };
  return {
    operation: "volume.adopt",
    arguments: { resource },
    action: "adopt",
    cause: "intentional",
    reason: `${place} is ${what}`,
    ...(about.length === 0 ? {} : { details: about }),
    ...(wish && unadoptable === "" ? {} : { blocked }),
  };
}

function update(resource: VolumeResource, observed: ObservedVolume, owned: OwnedRecord | undefined): Draft {
  const isHiding = observed.mount.state !== "none" && observed.mount.state !== "mounted";
  const draft = (cause: "intentional" | "corrective", reason: string): Draft => ({
    operation: "volume.update",
    arguments: { resource },
    action: "update",
    cause,
    reason,
    ...(isHiding ? { hides: true } : {}),
  });
  const blocked = reasonNotToUpdate(resource, observed);
  if (blocked !== undefined) return { ...draft("corrective", blocked.message), blocked };
  const found = differences(resource, observed);
  const reason = found.length === 0 ? undefined : found.map((difference) => difference.reason).join("; ");
  if (owned === undefined) return draft("corrective", reason ?? "its record was lost; its marker is ours");
  if (reason !== undefined) {
    const isIntent = found.some((difference) => isIntended(difference, resource, observed, owned));
    return draft(isIntent ? "intentional" : "corrective", reason);
  }
  const change = policyChange(resource, owned) ?? optionsChange(resource, observed, owned);
  return change === undefined ? keep("as declared") : draft("intentional", change);
}

/** Options that the kernel lists nowhere are known by the record alone. */
function optionsChange(resource: VolumeResource, { wanted }: ObservedVolume, owned: OwnedRecord): string | undefined {
  if (wanted === undefined) return undefined;
  const { mountOptions } = volumeInputs(resource, wanted);
  const recorded = owned.inputs.mountOptions ?? "";
  if (mountOptions === recorded) return undefined;
  return `mount options are ${mountOptions || "none"}, ${recorded || "none"} were recorded`;
}

/** What is ours and not as declared, and is for a person to put right. */
export function reasonNotToUpdate(resource: VolumeResource, observed: ObservedVolume): Blocked | undefined {
  const { name, filesystem, size_bytes } = resource;
  const { mount, place, path } = observed;
  const block = (message: string, hint: string): Blocked => ({ condition: "Refused", message, hint });
  if (filesystem !== undefined && observed.filesystem !== filesystem)
    return block(
      `cannot use volume ${name}: ${place} holds ${observed.filesystem || "no known filesystem"}, ${filesystem} is declared`,
      "declare what it holds, or make a new volume and move the data there",
    );
  const size = observed.size_bytes ?? 0;
  if (size_bytes !== undefined && !observed.shrinks && size >= size_bytes + observed.granularity_bytes)
    return block(
      `cannot shrink volume ${name}: size is ${sizeText(size)}, ${sizeText(size_bytes)} is declared`,
      "declare its size, or make a smaller volume and move the data there",
    );
  if (mount.state === "covers")
    return block(`cannot mount volume ${name}: ${path} ${mount.why}`, `move what is in ${path} away`);
  if (mount.state === "foreign" || mount.state === "stacked")
    return block(
      `cannot mount volume ${name}: ${path} ${mount.why}`,
      `look with: findmnt ${path}, then unmount by hand what is not wanted`,
    );
  return undefined;
}

function reasonNotToDelete(record: OwnedRecord, observed: ObservedVolume): { blocked?: Blocked } {
  const block = (why: string, hint: string) => ({
    blocked: { condition: "Refused", message: `cannot delete ${record.id}: ${why}`, hint } as const,
  });
  const { mount, path, place } = observed;
  if (observed.refusal !== "") return block(observed.refusal, observed.hint);
  if (observed.state === "foreign") return block(`${place} is ${observed.what}`, `rootloom forget ${record.id}`);
  if (mount.state === "absent" || mount.state === "covers")
    return block(
      `it is not mounted at ${path}, so that nobody can see whether roots in it are to be kept`,
      `declare it again and apply, which mounts it; or \`rootloom forget ${record.id}\``,
    );
  if (mount.state === "foreign" || mount.state === "stacked")
    return block(`${path} ${mount.why}`, `look with: findmnt ${path}, then unmount by hand what is not wanted`);
  if (observed.retained.length > 0)
    return block(
      `tree/${observed.retained.join(", tree/")} in it is to be kept`,
      `rootloom forget ${record.id}, or move the root out of ${observed.path}`,
    );
  return {};
}

function recordedPlace(owned: OwnedRecord): string {
  return detail(owned, "device") || detail(owned, "path");
}

function unknownOwner(resource: VolumeResource): Blocked {
  const { owner, group } = resource.ownership;
  return refused(resource, `this host has no user or group ${owner}:${group}`, "create them, or use numbers");
}

function refused(resource: VolumeResource, why: string, hint: string): Blocked {
  return { condition: "Refused", message: `cannot create volume ${resource.name}: ${why}`, hint };
}
