import type { Json } from "../core/digest.ts";
import type { EffectName } from "../core/effect.ts";
import type { RootloomError } from "../core/error.ts";
import type { ResourceId } from "../core/resource.ts";
import type { Host } from "../host/ports.ts";
import type { ApplyContext, Outcome } from "../resources/types.ts";
import type { State } from "../state/types.ts";

/** One step's entries: its beginning, each effect's intent and outcome, its end together with the record. */
export interface StepJournal {
  readonly effect: ApplyContext["effect"];
  readonly finish: (outcome: Outcome | undefined, error: RootloomError | undefined) => void;
}

/** A plan's step, or what a command does without one. */
export interface JournaledStep {
  readonly id: ResourceId;
  readonly operation: string;
}

/** Opens a step in the journal, durably, before anything is done. */
export function openStep(state: State, host: Host, runId: string, step: JournaledStep): StepJournal {
  const entry = state.beginStep(runId, step.id, step.operation, now(host));
  const effect = async <T>(
    name: EffectName,
    details: { readonly [key: string]: Json },
    run: () => T | Promise<T>,
  ): Promise<T> => {
    const intent = state.beginEffect(entry, name, details, now(host));
    const result = await run();
    state.endEffect(intent, now(host));
    return result;
  };
  const finish = (outcome: Outcome | undefined, error: RootloomError | undefined): void => {
    const record = outcome === undefined ? state.record(step.id) : outcome.record;
    const result = outcome?.result ?? "";
    state.finishStep(entry, { id: step.id, record, result, error: error?.message }, now(host));
  };
  return { effect, finish };
}

/** ISO 8601, UTC. */
export function now(host: Host): string {
  return new Date(host.clock.now_ms()).toISOString();
}
