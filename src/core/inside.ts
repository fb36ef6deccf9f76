import type { OwnedRecord, Resource, ResourceId, ResourceKind } from "./resource.ts";
import type { Blocked, Draft } from "./step.ts";

/** Kinds that have a directory of their own, with all that is in it. */
const DIRECTORIES: readonly ResourceKind[] = ["volume", "tree", "artifact", "kernel", "publish"];

/** What would be lost with another's data. */
interface Held {
  readonly id: ResourceId;
  readonly path: string;
}

/**
 * A removal that takes a whole directory away takes what lies in it too: refused while anything of ours is in there that
 * is declared, or was declared to outlive its declaration.
 */
export function refuseToTakeAlong(
  record: OwnedRecord,
  draft: Draft,
  desired: readonly Resource[],
  gone: readonly OwnedRecord[],
): Draft {
  const path = record.details.path;
  if (draft.destroys === undefined || draft.blocked !== undefined || typeof path !== "string") return draft;
  const inside = [...desired.flatMap(placeOf), ...gone.flatMap(placeToKeep)];
  const held = inside.find((other) => other.id !== record.id && other.path.startsWith(`${path}/`));
  if (held === undefined) return draft;
  const blocked: Blocked = {
    condition: "Refused",
    message: `cannot delete ${record.id}: ${held.id} stands in it, at ${held.path}`,
    hint: `move ${held.id} out of ${path} first, or rootloom forget ${record.id}`,
  };
  return { ...draft, blocked };
}

function placeOf(resource: Resource): readonly Held[] {
  const { id, kind } = resource;
  if (kind === "publish") return resource.place.type === "directory" ? [{ id, path: resource.place.path }] : [];
  const stands = kind === "volume" || kind === "tree" || kind === "artifact" || kind === "kernel";
  return stands ? [{ id, path: resource.path }] : [];
}

function placeToKeep({ id, kind, onDelete, protect, details }: OwnedRecord): readonly Held[] {
  const isDirectory = DIRECTORIES.includes(kind);
  const isKept = onDelete === "retain" || protect;
  return isDirectory && isKept && typeof details.path === "string" ? [{ id, path: details.path }] : [];
}
