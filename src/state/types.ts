import type { ConditionDraft } from "../core/conditions.ts";
import type { Json } from "../core/digest.ts";
import type { OwnedRecord, ResourceId } from "../core/resource.ts";
import type { OpenEffect } from "../resources/types.ts";

/** A condition with its time, as the store keeps it. */
export interface Condition extends ConditionDraft {
  readonly lastTransitionTime: string;
  /** Tree hash of `desired/` that was observed. */
  readonly observedGeneration: string;
}

/** Somebody's word about a resource: kept with who, why and until when. */
export interface Decision {
  readonly id: ResourceId;
  readonly type: "approve" | "adopt" | "suspend" | "forget";
  /**
   * For `approve`: the step digest it is bound to. For `suspend` of an image that was rolled back: the digest of its
   * declaration, which ends it when it is another. Empty for all else.
   */
  readonly digest: string;
  readonly who: string;
  readonly why: string;
  /** ISO 8601; empty: until it is taken back (an approval: until it is used). */
  readonly until: string;
  readonly at: string;
}

export interface RunSummary {
  readonly runId: string;
  readonly trigger: string;
  readonly revision: string;
  readonly treeHash: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  /** converged, failed, waiting, interrupted. */
  readonly result: string;
  readonly summary: Readonly<Record<string, number>>;
}

/**
 * The store: what we made, from which inputs, when. Each method that writes is one durable
 * transaction. A state opened to read throws on writes; a missing store reads as empty.
 */
export interface State {
  readonly instance: string;
  records(): readonly OwnedRecord[];
  record(id: string): OwnedRecord | undefined;
  /** Journal: `begin` before an effect, `end` after it; `finish` closes a step and writes its record in one transaction. */
  beginStep(runId: string, stepId: string, operation: string, at: string): bigint;
  beginEffect(step: bigint, effect: string, details: { readonly [key: string]: Json }, at: string): bigint;
  endEffect(effect: bigint, at: string): void;
  finishStep(
    step: bigint,
    outcome: {
      readonly id: ResourceId;
      readonly record: OwnedRecord | undefined;
      readonly result: string;
      readonly error: string | undefined;
    },
    at: string,
  ): void;
  /** Journal entries that a kill left open, oldest first. */
  openEffects(): readonly (OpenEffect & { readonly step: bigint })[];
  /** Closes all entries of a step that recovery has dealt with. */
  closeStep(step: bigint, result: string, at: string): void;
  decisions(): readonly Decision[];
  decide(decision: Decision): void;
  withdraw(id: string, type: Decision["type"]): void;
  conditions(): readonly Condition[];
  /** Writes only what differs but for its time; conditions of objects not named stay. `gone` are removed. */
  setConditions(conditions: readonly Condition[], gone: readonly string[]): void;
  runs(limit: number): readonly RunSummary[];
  addRun(run: RunSummary, report: Json, keep: number): void;
  /** The stored report of a run (the latest when no id is given). */
  report(runId?: string): Json | undefined;
  /** Small facts beside the records: `prune.maxDeletions` of the last commit that was applied. */
  fact(name: string): string | undefined;
  /** Writes only when the value differs. */
  setFact(name: string, value: string): void;
  /** Adopts a record found on the host (a marker) when a store was lost. */
  restoreRecord(record: OwnedRecord): void;
  close(): void;
}
