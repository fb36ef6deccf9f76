import type { Json } from "../core/digest.ts";
import type { OwnedRecord, Resource } from "../core/resource.ts";
import type { Blocked, Draft } from "../core/step.ts";

interface RunFacts {
  readonly runId: string;
  readonly revision: string;
  /** Milliseconds since the epoch. */
  readonly now_ms: number;
}

interface Applied {
  readonly inputs: Readonly<Record<string, string>>;
  readonly details: { readonly [key: string]: Json };
}

/** The record of a resource that was just applied. */
export function recordOf(resource: Resource, run: RunFacts, applied: Applied): OwnedRecord {
  const { id, kind, name, identity, protect, onDelete, dependsOn } = resource;
  const appliedAt = new Date(run.now_ms).toISOString();
  const { runId, revision } = run;
  return { id, kind, name, identity, protect, onDelete, dependsOn, ...applied, runId, revision, appliedAt };
}

/** What the declaration says of a resource's life that its record does not say yet: `protect is true, false was recorded`. */
export function policyChange(resource: Resource, owned: OwnedRecord): string | undefined {
  if (resource.protect !== owned.protect) return `protect is ${resource.protect}, ${owned.protect} was recorded`;
  if (resource.onDelete !== owned.onDelete) return `onDelete is ${resource.onDelete}, ${owned.onDelete} was recorded`;
  if (resource.dependsOn.join("\n") !== owned.dependsOn.join("\n")) return "what it depends on changed";
  if (resource.identity !== owned.identity) return `it is ${resource.identity} now, ${owned.identity} was recorded`;
  return undefined;
}

/** A string of a record's details; empty when it is not there. */
export function detail(record: OwnedRecord | undefined, key: string): string {
  const value = record?.details[key];
  return typeof value === "string" ? value : "";
}

/** Eight characters that tell runs apart, for the names of what is being made: the random end of a run's id. */
export function shortRun(runId: string): string {
  return runId.slice(-8).padStart(8, "0");
}

export function keep(reason: string): Draft {
  return { operation: "keep", arguments: {}, action: "keep", cause: "intentional", reason };
}

export function forget(record: OwnedRecord, reason: string): Draft {
  return { operation: "forget", arguments: { record }, action: "forget", cause: "intentional", reason };
}

/** For a record without a declaration: removing the declaration does not remove the protection. */
export function keepProtected(record: OwnedRecord): Draft {
  const blocked: Blocked = {
    condition: "Refused",
    message: `cannot remove ${record.id}: it is protected`,
    hint: "declare it again, lift `protect: true` in a commit of its own, then remove it",
  };
  return { ...forget(record, "its declaration was removed"), blocked };
}
