import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { MountResource, OwnedRecord } from "../../core/resource.ts";
import type { Files, MountEntry } from "../../host/ports.ts";
import { checkHostPath } from "../limits.ts";
import type { ObserveContext, Observer } from "../types.ts";
import { backingFile, inheritedFlags, isRecorded, isSourceOf, optionDifferences } from "./match.ts";
import { checkSource, folderDifferences } from "./source.ts";
import { resolveTarget } from "./target.ts";

export type MountState = "private" | "absent" | "mounted" | "drifted" | "outdated" | "foreign" | "stacked";

export interface ObservedMount {
  readonly state: MountState;
  /** Where the target really is; as declared while its root is not there. */
  readonly target: string;
  /** What differs, for people; for foreign and stacked what stands there. */
  readonly differences: readonly string[];
  /** It stands there, and is another mount than the record tells of: once its root gives way, nobody could find it again. */
  readonly unrecorded: boolean;
  /** Why nothing may be mounted: a link out of the root, a source that the host's limits forbid. */
  readonly problem: { readonly message: string; readonly hint: string } | undefined;
}

/** What a look needs; both an observing and an applying context have it. */
export type LookContext = Pick<ObserveContext, "host" | "limits" | "state" | "instance">;

export const mountObserver: Observer<"mount"> = {
  observe: async (resource, owned, context) => observeMount(resource, owned, context),
  observeRemoved: async (record, context) => observeRemovedMount(record, context),
};

/** Looks at the one mount that should stand at the target, in the namespace of the host's mounts. */
export function observeMount(
  resource: MountResource,
  owned: OwnedRecord | undefined,
  context: LookContext,
): ObservedMount {
  const nothing = { target: resource.target, differences: [], unrecorded: false, problem: undefined };
  const state: MountState = resource.namespace === "private" ? "private" : "absent";
  try {
    checkSource(resource, context);
    const treeIsThere = resource.within === "" || context.host.files.stat(resource.within)?.type === "directory";
    if (resource.within === "")
      throwIfRefused(checkHostPath(context.host.files, resource.target, context.limits, context.state));
    const target = treeIsThere ? resolveTarget(context.host.files, resource).path : resource.target;
    if (state === "private") return { ...nothing, state, target };
    return { ...nothing, target, ...look(resource, owned, context, target) };
  } catch (thrown) {
    const error = asRootloomError(thrown);
    if (error.retry !== "terminal") throw error;
    return { ...nothing, state, problem: { message: error.message, hint: error.hint ?? "" } };
  }
}

/** Asked again just before a mount is made. @throws RootloomError where nothing may be mounted. */
export function requireMountable(resource: MountResource, context: LookContext): void {
  const { problem } = observeMount(resource, undefined, context);
  if (problem !== undefined) throw new RootloomError(problem.message, { hint: problem.hint });
}

/** What is left of a mount whose declaration is gone. */
export function observeRemovedMount(record: OwnedRecord, context: LookContext): ObservedMount {
  const target = String(record.details.target ?? "");
  const nothing = { target, differences: [], unrecorded: false, problem: undefined };
  if (record.details.namespace === "private") return { ...nothing, state: "private" };
  const mounts = context.host.files.mounts();
  if (findRecorded(context.host.files, record, mounts) !== undefined) return { ...nothing, state: "mounted" };
  const others = mounts.filter((entry) => entry.target === target);
  return { ...nothing, state: others.length === 0 ? "absent" : "foreign", differences: others.map(describe) };
}

/**
 * The mount that a record tells of: at its target, or in a replaced root that we keep. Nowhere else: ids
 * and devices are used again after a boot, and a look-alike elsewhere is somebody else's.
 */
export function findRecorded(
  files: Files,
  record: OwnedRecord | undefined,
  mounts: readonly MountEntry[] = files.mounts(),
): MountEntry | undefined {
  if (record === undefined || record.details.namespace === "private") return undefined;
  const { details } = record;
  const target = String(details.target ?? "");
  const inside = target.slice(String(details.within ?? "").length);
  // A loop device is used again for other files.
  const isSameFile = (entry: MountEntry) =>
    details.file === undefined || backingFile(files, entry)?.replace(/ \(deleted\)$/, "") === details.file;
  const ours = mounts.filter((entry) => isRecorded(details, entry) && isSameFile(entry));
  return (
    ours.find((entry) => entry.target === target) ??
    ours.find(
      (entry) =>
        entry.id === details.mountId && entry.target.includes("/.rootloom/kept/") && entry.target.endsWith(inside),
    )
  );
}

/** The nearest tmpfs of ours that the target lies in: it is empty, so that the directory must be made in it. */
export function tmpfsAbove(
  resource: MountResource,
  target: string,
  context: Pick<ObserveContext, "host" | "owned">,
): string | undefined {
  const mounts = context.host.files.mounts();
  const above = resource.dependsOn.flatMap((id) => findRecorded(context.host.files, context.owned(id), mounts) ?? []);
  const nearest = above.filter((entry) => target.startsWith(`${entry.target}/`)).at(-1);
  return nearest?.type === "tmpfs" ? nearest.target : undefined;
}

function look(
  resource: MountResource,
  owned: OwnedRecord | undefined,
  context: LookContext,
  target: string,
): Pick<ObservedMount, "state" | "differences"> & Partial<Pick<ObservedMount, "unrecorded">> {
  const { files } = context.host;
  const mounts = files.mounts();
  const there = mounts.filter((entry) => entry.target === target);
  const recorded = findRecorded(files, owned, mounts);
  const [entry] = there;
  if (there.length > 1) return { state: "stacked", differences: there.map(describe) };
  if (entry === undefined) {
    if (recorded === undefined) return { state: "absent", differences: [] };
    return { state: "outdated", differences: [`it is mounted at ${recorded.target}`] };
  }
  if (isSourceOf(files, mounts, resource, entry)) {
    const inherited = inheritedFlags(resource, files, mounts);
    const differences = [...optionDifferences(resource, entry, inherited), ...folderDifferences(resource, files)];
    const unrecorded = owned !== undefined && owned.details.mountId !== entry.id;
    return { state: differences.length === 0 ? "mounted" : "drifted", differences, unrecorded };
  }
  return { state: entry === recorded ? "outdated" : "foreign", differences: [describe(entry)] };
}

function throwIfRefused(refusal: RootloomError | undefined): void {
  if (refusal !== undefined) throw refusal;
}

function describe(entry: MountEntry): string {
  return `${entry.type} of ${entry.source}${entry.root === "/" ? "" : ` at ${entry.root}`}`;
}
