import { showPath, type TreePath } from "../../core/entry.ts";
import type { OverlayResource, OwnedRecord } from "../../core/resource.ts";
import type { Blocked, Cause, Draft, PlanContext, Planner } from "../../core/step.ts";
import { forget, keep, policyChange } from "../owned.ts";
import type { ObservedDifference, ObservedOverlay } from "./observe.ts";

const DETAILS_MAX = 200;
const NAMED_MAX = 3;

export const overlayPlanner: Planner<"overlay", ObservedOverlay> = { plan, planRemoval };

function plan(
  resource: OverlayResource,
  observed: ObservedOverlay,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  const treeAction = context.actionOf(resource.tree);
  if (observed.tree === "absent" || treeAction === "create" || treeAction === "replace") {
    return layAll(resource, owned, treeAction === "replace" ? "intentional" : undefined);
  }
  const refusal = refusalOf(resource, observed);
  const nothing = observed.differences.length + observed.leaving.length + observed.deletions.length === 0;
  if (nothing && refusal === undefined) return takeNote(resource, owned);
  const intentional = owned === undefined || owned.inputs.overlay !== resource.overlay.digest;
  // A corrected file keeps to the policy even while the commit changes others.
  const differences =
    intentional && resource.driftPolicy === "report"
      ? observed.differences.filter((found) => !isLocal(found))
      : observed.differences;
  if (differences.length + observed.leaving.length + observed.deletions.length === 0 && refusal === undefined) {
    return lay(resource, owned, { differences: observed.differences, observed, cause: "corrective", refusal });
  }
  return lay(resource, owned, { differences, observed, cause: intentional ? "intentional" : "corrective", refusal });
}

function planRemoval(record: OwnedRecord, observed: ObservedOverlay): Draft {
  if (observed.tree === "absent") return forget(record, "the root that it was laid into is gone");
  if (record.onDelete === "retain" || record.protect) return forget(record, "no longer declared; its files are kept");
  const { unchanged, edited } = observed.laid;
  const blocked: Blocked | undefined = observed.problem && { condition: "Refused", ...observed.problem };
  return {
    ...(blocked && { blocked }),
    operation: "overlay.remove",
    arguments: { record },
    action: "delete",
    cause: "intentional",
    reason: `no longer declared: ${unchanged} laid ${unchanged === 1 ? "file goes" : "files go"}${
      edited > 0 ? `, ${edited} edited since ${edited === 1 ? "is" : "are"} kept` : ""
    }`,
  };
}

/** The tree is made in this pass: nothing of it can be compared yet. */
function layAll(resource: OverlayResource, owned: OwnedRecord | undefined, cause: Cause | undefined): Draft {
  const { entries, deletions, name, digest } = resource.overlay;
  const changed = owned === undefined || owned.inputs.overlay !== digest;
  return {
    operation: "overlay.lay",
    arguments: { resource, lay: entries.map((entry) => entry.path), remove: deletions },
    action: owned === undefined ? "create" : "update",
    cause: cause ?? (changed ? "intentional" : "corrective"),
    reason: `overlay/${name} is laid into ${resource.tree}, which changes in this pass`,
  };
}

interface Laying {
  readonly differences: readonly ObservedDifference[];
  readonly observed: ObservedOverlay;
  readonly cause: Cause;
  readonly refusal: Blocked | undefined;
}

function lay(resource: OverlayResource, owned: OwnedRecord | undefined, laying: Laying): Draft {
  const { differences, observed, cause, refusal } = laying;
  const remove = [...new Set([...observed.leaving, ...observed.deletions])];
  const blocked = refusal ?? (cause === "corrective" ? reportOnly(resource) : undefined);
  return {
    operation: "overlay.lay",
    arguments: { resource, lay: differences.map((found) => found.path), remove },
    action: owned === undefined ? "create" : "update",
    cause,
    reason: reasonOf(resource, owned, laying, remove),
    details: detailsOf(resource, differences, remove),
    ...(blocked && { blocked }),
  };
}

/** Everything is as declared: only the record may be behind. */
function takeNote(resource: OverlayResource, owned: OwnedRecord | undefined): Draft {
  const note = (cause: Cause, reason: string): Draft => ({
    operation: "overlay.lay",
    arguments: { resource, lay: [], remove: [] },
    action: owned === undefined ? "create" : "update",
    cause,
    reason,
  });
  if (owned === undefined) return note("corrective", "as declared, but not recorded");
  if (owned.inputs.overlay !== resource.overlay.digest) return note("intentional", `${nameOf(resource)} changed`);
  const policy = policyChange(resource, owned);
  return policy === undefined ? keep("as declared") : note("intentional", policy);
}

function refusalOf(resource: OverlayResource, observed: ObservedOverlay): Blocked | undefined {
  if (observed.problem !== undefined) return { condition: "Refused", ...observed.problem };
  const refused = observed.differences.filter((found) => found.state === "refused");
  const [first] = refused;
  if (first === undefined) return undefined;
  const others = refused.length > 1 ? ` (and ${refused.length - 1} more)` : "";
  return {
    condition: "Refused",
    message: `cannot lay ${showPath(first.path)} into ${resource.tree}: ${first.what.join(", ")}${others}`,
    hint: "list the path in the overlay's `delete` if what stands there may go, or move it by hand",
  };
}

function reportOnly(resource: OverlayResource): Blocked | undefined {
  if (resource.driftPolicy === "correct") return undefined;
  return {
    condition: "ReportOnly",
    message: `${nameOf(resource)} differs in ${resource.tree}, and its drift policy is report`,
    hint: `commit the edit to the overlay, undo it by hand, or set drift.policy: correct`,
  };
}

function reasonOf(
  resource: OverlayResource,
  owned: OwnedRecord | undefined,
  laying: Laying,
  remove: readonly TreePath[],
): string {
  const { differences, observed, cause } = laying;
  if (observed.problem !== undefined) return observed.problem.message;
  const paths = [
    ...differences.map((found) => `${markOf(found)} ${showPath(found.path)}`),
    ...remove.map((path) => `- ${showPath(path)}`),
  ];
  const more = paths.length > NAMED_MAX ? ` and ${paths.length - NAMED_MAX} more` : "";
  const list = `${paths.slice(0, NAMED_MAX).join(", ")}${more}`;
  if (owned === undefined) return `${nameOf(resource)} is laid into ${resource.tree}: ${list}`;
  if (cause === "intentional") return `${nameOf(resource)} changed: ${list}`;
  return `${paths.length} laid ${paths.length === 1 ? "path differs" : "paths differ"} in ${resource.tree}: ${list}`;
}

function detailsOf(
  resource: OverlayResource,
  differences: readonly ObservedDifference[],
  remove: readonly TreePath[],
): readonly string[] {
  const { secret } = resource.overlay;
  const lines = differences.flatMap((found) => {
    const what = found.what.map((fact) => (fact === "content" ? "content differs" : fact)).join(", ");
    const head = `${markOf(found)} ${showPath(found.path)} (${[found.state, what].filter(Boolean).join(": ")})`;
    return [head, ...(secret ? [] : found.diff.map((line) => `    ${line}`))];
  });
  const all = [...lines, ...remove.map((path) => `- ${showPath(path)}`)];
  if (all.length <= DETAILS_MAX) return all;
  return [...all.slice(0, DETAILS_MAX), `... ${all.length - DETAILS_MAX} more lines`];
}

/** Drift that the commit has nothing to do with. */
function isLocal(found: ObservedDifference): boolean {
  return found.declaredAsLaid && (found.state === "edited" || found.state === "missing");
}

function markOf(found: ObservedDifference): string {
  return found.state === "absent" || found.state === "missing" ? "+" : "~";
}

function nameOf(resource: OverlayResource): string {
  return `overlay/${resource.overlay.name}`;
}
