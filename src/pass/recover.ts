import { asRootloomError } from "../core/error.ts";
import type { ResourceKind } from "../core/resource.ts";
import type { Host } from "../host/ports.ts";
import { recoveries } from "../resources/effects.ts";
import { detail } from "../resources/owned.ts";
import { removeTemporaries } from "../resources/remove.ts";
import type { ApplyContext, Places } from "../resources/types.ts";
import { sweepAllAttached, sweepNotes } from "../resources/volume/index.ts";
import type { OpenedState } from "../state/state.ts";
import { now } from "./journal.ts";
import type { PassRequest } from "./types.ts";

/**
 * Deals with what a kill left open in the journal, before anything is observed: each kind completes or undoes its
 * half-done effects, and when all of a step are mended its entry is closed. What a recovery cannot mend it throws, and
 * the entry stays open: so it does when we are killed between two effects of one step. Returns whether there was anything.
 */
export async function recover(
  state: OpenedState,
  host: Host,
  places: Places,
  request: PassRequest,
  runId: string,
): Promise<boolean> {
  const open = state.openEffects();
  // Always: a disk that refused to write a note may have refused to remove its half, and no step tells of that.
  for (const record of state.records())
    if (record.kind === "volume") sweepNotes({ name: record.name, path: detail(record, "path") }, places, host.files);
  for (const [step, effects] of Map.groupBy(open, (effect) => effect.step)) {
    const context = contextOf(state, host, places, request, runId);
    await orSay(effects[0]?.stepId ?? "", request, async () => {
      for (const effect of effects) await recoveries[kindOf(effect.stepId)]?.(effect, context);
      state.closeStep(step, "recovered after an interruption", now(host));
    });
  }
  await orSay("what was attached to be read", request, () =>
    sweepAllAttached({ host, state: places.state, signal: request.signal }),
  );
  closeIdle(state, host);
  // The installation's id, and the reports.
  for (const directory of [places.state, `${places.state}/reports`]) removeTemporaries(host.files, directory);
  return open.length > 0;
}

/** What cannot be mended now is said, and keeps nothing else from being mended. */
async function orSay(id: string, { onEvent }: PassRequest, mend: () => Promise<unknown>): Promise<void> {
  try {
    await mend();
  } catch (thrown) {
    const { message, hint = "it is tried again in the next pass" } = asRootloomError(thrown);
    onEvent({ type: "apply_errored", id, message: `cannot recover ${id}: ${message}`, hint, retry: "transient" });
  }
}

function kindOf(stepId: string): ResourceKind {
  return stepId.slice(0, stepId.indexOf("/")) as ResourceKind;
}

function contextOf(state: OpenedState, host: Host, places: Places, request: PassRequest, runId: string): ApplyContext {
  return {
    ...places,
    host,
    // What a kill left is mended from what is here.
    network: { offline: true, caFile: undefined },
    signal: request.signal,
    runId,
    revision: "",
    owned: (id) => state.record(id),
    effect: async (_name, _details, run) => run(),
    progress: () => undefined,
    log: () => undefined,
  };
}

/** Steps that were killed before their first effect, or that had none: there is nothing to recover. */
function closeIdle(state: OpenedState, host: Host): void {
  const pending = new Set(state.openEffects().map(({ step }) => step));
  for (const { step } of state.openSteps()) {
    if (!pending.has(step)) state.closeStep(step, "interrupted before it changed anything", now(host));
  }
}
