import type { CommandContext } from "./command-types.ts";
import type { PassRequest } from "./types.ts";

/** A pass request with everything that a command does not say. */
export function passRequest(
  context: CommandContext,
  asked: Partial<PassRequest> & Pick<PassRequest, "trigger">,
): PassRequest {
  return {
    mode: "apply",
    approveAll: false,
    planDigest: undefined,
    retryStalled: false,
    signal: context.signal,
    superseded: context.superseded,
    onEvent: context.emit,
    ...asked,
  };
}
