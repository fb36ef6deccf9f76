import { asRootloomError } from "../core/error.ts";
import type { ResourceKind } from "../core/resource.ts";
import type { Host } from "../host/ports.ts";
import { recoveries } from "../resources/index.ts";
import type { ApplyContext, Places } from "../resources/types.ts";
import type { OpenedState } from "../state/state.ts";
import { now } from "./journal.ts";
import type { PassRequest } from "./types.ts";

/**
 * Deals with what a kill left open in the journal, before anything is observed: each kind completes
 * or undoes its half-done effect, then the entry is closed. What a recovery cannot mend it throws, and the entry stays open.
 */
export async function recover(
  state: OpenedState,
  host: Host,
  places: Places,
  request: PassRequest,
  runId: string,
): Promise<void> {
  for (const open of state.openEffects()) {
    const kind = open.stepId.slice(0, open.stepId.indexOf("/")) as ResourceKind;
    const context: ApplyContext = {
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
    try {
      await recoveries[kind]?.(open, context);
      state.closeStep(open.step, "recovered after an interruption", now(host));
    } catch (thrown) {
      const error = asRootloomError(thrown);
      request.onEvent({
        type: "apply_errored",
        id: open.stepId,
        message: `cannot recover ${open.stepId}: ${error.message}`,
        hint: error.hint ?? "it is tried again in the next pass",
        retry: "transient",
      });
    }
  }
  closeIdle(state, host);
}

/** Steps that were killed before their first effect, or that had none: there is nothing to recover. */
function closeIdle(state: OpenedState, host: Host): void {
  const pending = new Set(state.openEffects().map(({ step }) => step));
  for (const { step } of state.openSteps()) {
    if (!pending.has(step)) state.closeStep(step, "interrupted before it changed anything", now(host));
  }
}
