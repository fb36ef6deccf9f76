import type { CommandContext } from "./command-types.ts";
import type { PassRequest } from "./types.ts";

/** A pass request with all that nobody said: it applies, approves nothing, leaves alone what is stalled, and nothing ends it early. */
export function passRequest(asked: Partial<PassRequest> & Pick<PassRequest, "trigger">): PassRequest {
  return {
    mode: "apply",
    approveAll: false,
    planDigest: undefined,
    retryStalled: false,
    signal: new AbortController().signal,
    superseded: () => false,
    onEvent: () => undefined,
    ...asked,
  };
}

/** What a command says of the pass that it asks for: who ends it, and who is told of it. */
export function heardBy(context: CommandContext): Pick<PassRequest, "signal" | "superseded" | "onEvent"> {
  return { signal: context.signal, superseded: context.superseded, onEvent: context.emit };
}
