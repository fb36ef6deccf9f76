import type { Decisions, Drafted } from "./drafted.ts";
import type { ResourceId } from "./resource.ts";
import type { Blocked, Draft, Step } from "./step.ts";

/** What decides whether a drafted step may run now. */
export interface Blocking {
  readonly decisions: Decisions;
  readonly approveAll: boolean;
  readonly maxDeletions: number;
  /** How many deletions this plan holds. */
  readonly deletions: number;
}

/**
 * Turns drafts into steps, one after another: a step that must not run now says why and what to do. Drafts come
 * with dependencies first, so that a step can wait for one that is blocked.
 */
export function createBlocker(blocking: Blocking): (item: Drafted) => Step {
  const missing = new Map<ResourceId, string>();
  return (item) => {
    const blocked = reasonToBlock(item, blocking, missing);
    if (blocked !== undefined && leavesNothingToBuildOn(item)) missing.set(item.id, blocked.message);
    return toStep(item, blocked);
  };
}

function reasonToBlock(
  item: Drafted,
  blocking: Blocking,
  missing: ReadonlyMap<ResourceId, string>,
): Blocked | undefined {
  const { draft } = item;
  if (draft.operation === "keep") return draft.blocked;
  return (
    refusedByPlanner(draft) ??
    refusedByProtection(item) ??
    refusedByDeletionLimit(draft, blocking) ??
    suspended(item, blocking.decisions) ??
    waitsForDependency(item, missing) ??
    quarantined(draft) ??
    needsApproval(item, blocking) ??
    reportOnly(draft) ??
    stalled(item, blocking.decisions)
  );
}

function refusedByPlanner(draft: Draft): Blocked | undefined {
  const condition = draft.blocked?.condition;
  return condition === "Refused" || condition === "Waiting" ? draft.blocked : undefined;
}

function quarantined(draft: Draft): Blocked | undefined {
  return draft.blocked?.condition === "Quarantined" ? draft.blocked : undefined;
}

function reportOnly(draft: Draft): Blocked | undefined {
  return draft.blocked?.condition === "ReportOnly" ? draft.blocked : undefined;
}

function refusedByProtection(item: Drafted): Blocked | undefined {
  if (!item.protect || item.draft.destroys === undefined) return undefined;
  return {
    condition: "Refused",
    message: `${item.id} is protected, and this would destroy ${item.draft.destroys}`,
    hint: "lift `protect: true` in a commit of its own first",
  };
}

function refusedByDeletionLimit(draft: Draft, blocking: Blocking): Blocked | undefined {
  if (draft.action !== "delete" || blocking.deletions <= blocking.maxDeletions) return undefined;
  return {
    condition: "Refused",
    message: `${blocking.deletions} deletions are planned, at most ${blocking.maxDeletions} are allowed in one pass`,
    hint: "raise prune.maxDeletions in host.yaml in a commit of its own first, or remove fewer declarations at a time",
  };
}

/** What is done inside a root waits with the root. */
function suspended({ id, kind, name }: Drafted, decisions: Decisions): Blocked | undefined {
  const ids: readonly ResourceId[] = kind === "provision" ? [id, `tree/${name}`] : [id];
  const held = ids.find((each) => decisions.suspended.has(each));
  if (held === undefined) return undefined;
  const message = `${held} is suspended: ${decisions.suspended.get(held)}`;
  return { condition: "Suspended", message, hint: `rootloom resume ${held}` };
}

function waitsForDependency(item: Drafted, missing: ReadonlyMap<ResourceId, string>): Blocked | undefined {
  for (const id of item.dependsOn) {
    const why = missing.get(id);
    if (why !== undefined) return { condition: "Waiting", message: `waits for ${id}: ${why}`, hint: `see ${id}` };
  }
  return undefined;
}

/** Approval is bound to the digest: a plan that changed since must be approved anew. */
function needsApproval(item: Drafted, blocking: Blocking): Blocked | undefined {
  const { draft, id } = item;
  const asked = draft.blocked?.condition === "ApprovalRequired" ? draft.blocked : undefined;
  if (draft.destroys === undefined && draft.replaces !== true && asked === undefined) return undefined;
  if (blocking.approveAll || blocking.decisions.approvals.get(id) === item.digest) return undefined;
  if (asked !== undefined) return asked;
  const what = draft.destroys === undefined ? "replaces a populated tree" : `destroys ${draft.destroys}`;
  return {
    condition: "ApprovalRequired",
    message: `${draft.reason}; this ${what} and waits for approval`,
    hint: `rootloom approve ${id}`,
  };
}

function stalled(item: Drafted, decisions: Decisions): Blocked | undefined {
  const failure = decisions.stalled.get(item.id);
  if (failure === undefined || failure.digest !== item.digest) return undefined;
  return {
    condition: "Stalled",
    message: failure.message,
    hint: `it is tried again when an input changes, or by: rootloom trigger ${item.id}`,
  };
}

/** True when what depends on this would find nothing (not there yet, nobody could look), or find it still in the way. */
function leavesNothingToBuildOn(item: Drafted): boolean {
  const { action } = item.draft;
  const isUnseen = item.unobserved || item.draft.hides === true;
  return isUnseen || item.draft.unfinished === true || action === "create" || action === "adopt" || action === "delete";
}

function toStep(item: Drafted, blocked: Blocked | undefined): Step {
  const { draft, id, kind, name, dependsOn, digest } = item;
  const { blocked: _planned, hides: _hides, unfinished: _unfinished, ...rest } = draft;
  const step = { ...rest, id, kind, name, dependsOn, digest };
  return (blocked === undefined ? step : { ...step, blocked }) as Step;
}
