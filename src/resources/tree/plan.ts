import { showPath } from "../../core/entry.ts";
import type { OwnedRecord, TreeResource } from "../../core/resource.ts";
import type { Action, Blocked, Cause, Draft, PlanContext, Planner } from "../../core/step.ts";
import { detail, keep, policyChange } from "../owned.ts";
import { newReason } from "./clone-reason.ts";
import { sourceChange } from "./difference.ts";
import type { TreeDrift } from "./drift.ts";
import { madeBySteps } from "./made-by-steps.ts";
import type { ObservedTree } from "./observe.ts";
import { planRemoval } from "./plan-removal.ts";

export const treePlanner: Planner<"tree", ObservedTree> = { plan, planRemoval };

const DETAILS_MAX = 20;

function plan(
  resource: TreeResource,
  observed: ObservedTree,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  if (observed.refusal !== "")
    return draft(
      "tree.create",
      resource,
      "create",
      "intentional",
      "new",
      refused(resource, observed.refusal, observed.hint),
    );
  if (resource.source.type === "existing" && !observed.populated) return waitForExisting(resource, observed, owned);
  if (observed.state === "absent" || observed.cloned !== "") return create(resource, observed, owned, context);
  if (observed.state === "foreign") return adopt(resource, observed, context);
  return planOwn(resource, observed, owned);
}

/** An existing root is only taken note of: nothing is made, so there must be something. */
function waitForExisting(resource: TreeResource, observed: ObservedTree, owned: OwnedRecord | undefined): Draft {
  const why = observed.state === "absent" ? "is not there" : "is empty";
  const blocked: Blocked = {
    condition: "Waiting",
    message: `cannot take tree ${resource.name} as existing: ${resource.path} ${why}`,
    hint: "mount or fill it, or declare a source",
  };
  return draft(
    "tree.adopt",
    resource,
    "adopt",
    owned === undefined ? "intentional" : "corrective",
    `${resource.path} ${why}`,
    blocked,
  );
}

function create(
  resource: TreeResource,
  observed: ObservedTree,
  owned: OwnedRecord | undefined,
  context: PlanContext,
): Draft {
  if (owned !== undefined && owned.identity !== resource.identity)
    return draft("tree.create", resource, "create", "intentional", "new", {
      condition: "Refused",
      message: `cannot create tree ${resource.name}: it is recorded at ${detail(owned, "path")}, not at ${resource.path}`,
      hint: `move it there, or \`rootloom forget ${resource.id}\``,
    });
  if (observed.built === observed.sourceKey)
    return draft("tree.create", resource, "create", "corrective", "an interrupted run built it, and did not place it");
  if (owned === undefined)
    return draft("tree.create", resource, "create", "intentional", newReason(resource, observed, context));
  const withVolume = context.actionOf(resource.volume) === "create" || observed.cloned !== "";
  const reason = withVolume ? "it disappeared with its volume" : `it disappeared: nothing is at ${resource.path}`;
  return draft("tree.create", resource, "create", "corrective", reason);
}

function adopt(resource: TreeResource, observed: ObservedTree, context: PlanContext): Draft {
  const reason = `${resource.path} is ${observed.what}`;
  const existing = resource.source.type === "existing";
  if (existing) return draft("tree.adopt", resource, "adopt", "intentional", "an existing root, taken as it is");
  if (context.adoptions.has(resource.id)) return draft("tree.adopt", resource, "adopt", "intentional", reason);
  return draft("tree.adopt", resource, "adopt", "intentional", reason, {
    condition: "Refused",
    message: `cannot use tree ${resource.name}: ${reason}`,
    hint: `rootloom adopt ${resource.id}, or move it away`,
  });
}

function planOwn(resource: TreeResource, observed: ObservedTree, owned: OwnedRecord | undefined): Draft {
  const { marked, sourceKey, drift } = observed;
  const existing = resource.source.type === "existing";
  if (!existing && marked?.source !== sourceKey)
    return replace(resource, "intentional", `source changed: ${sourceChange(marked?.facts ?? null, resource.source)}`);
  const note = noteToTake(resource, observed, owned);
  if (drift !== undefined && drift.count > 0 && resource.driftPolicy === "correct")
    return correct(resource, observed, drift);
  if (note !== undefined) return draft("tree.update", resource, "update", note.cause, note.reason);
  if (drift !== undefined && drift.count > 0) return correct(resource, observed, drift);
  if (resource.content === "managed" && !observed.manifest)
    return replace(resource, "corrective", "its manifest is lost, so that nobody can say what it should hold");
  if (drift !== undefined && drift.ofSteps.length > 0) return madeBySteps(resource, drift.ofSteps);
  return keep(resource.content === "live" ? "live: people work in it" : "as recorded");
}

/** What the record does not say yet, though the files are right; or what stands beside them and is of no use any more. */
function noteToTake(
  resource: TreeResource,
  observed: ObservedTree,
  owned: OwnedRecord | undefined,
): { readonly cause: Cause; readonly reason: string } | undefined {
  if (owned === undefined) return { cause: "corrective", reason: "its record was lost; its marker is ours" };
  if (observed.marked?.content !== resource.content)
    return {
      cause: "intentional",
      reason: `content is ${resource.content} now${resource.content === "managed" ? ": what is there is recorded" : ""}`,
    };
  if (owned.inputs.source !== observed.sourceKey)
    return { cause: "corrective", reason: "an interrupted run placed it, and did not record it" };
  const policy = policyChange(resource, owned);
  if (policy !== undefined) return { cause: "intentional", reason: policy };
  return observed.remnants ? { cause: "corrective", reason: "an interrupted run left what it had built" } : undefined;
}

function correct(resource: TreeResource, observed: ObservedTree, drift: TreeDrift): Draft {
  const lines = drift.paths.map(
    ({ path, change, what }) => `${showPath(path)} (${change === "changed" ? what : change})`,
  );
  const more = drift.count > 3 ? ", ..." : "";
  const reason = `${drift.count} ${drift.count === 1 ? "path differs" : "paths differ"}: ${lines.slice(0, 3).join(", ")}${more}`;
  const left = drift.count - Math.min(lines.length, DETAILS_MAX);
  const details = [...lines.slice(0, DETAILS_MAX), ...(left > 0 ? [`and ${left} more`] : [])];
  const restore: Draft = {
    operation: "tree.restore",
    arguments: { resource, paths: drift.paths.map(({ path }) => path) },
    action: "update",
    cause: "corrective",
    reason,
    details,
  };
  if (resource.driftPolicy === "report")
    return {
      ...restore,
      blocked: {
        condition: "ReportOnly",
        message: `${resource.id}: ${reason}`,
        hint: "drift.policy is `report`: put it right by hand, or declare `correct`",
      },
    };
  if (observed.sourceKept) return restore;
  if (resource.source.type !== "existing")
    return {
      ...replace(resource, "corrective", `${reason}; its source is not kept, so it can only be replaced`),
      details,
    };
  return {
    ...restore,
    blocked: {
      condition: "Refused",
      message: `cannot restore ${resource.id}: an existing root has no source to restore from`,
      hint: "declare `content: live`, or put the paths right by hand",
    },
  };
}

function replace(resource: TreeResource, cause: Cause, reason: string): Draft {
  return { operation: "tree.replace", arguments: { resource }, action: "replace", cause, reason, replaces: true };
}

function draft(
  operation: "tree.create" | "tree.adopt" | "tree.update",
  resource: TreeResource,
  action: Action,
  cause: Cause,
  reason: string,
  blocked?: Blocked,
): Draft {
  return { operation, arguments: { resource }, action, cause, reason, ...(blocked === undefined ? {} : { blocked }) };
}

function refused(resource: TreeResource, why: string, hint: string): Blocked {
  return { condition: "Refused", message: `cannot create tree ${resource.name}: ${why}`, hint };
}
