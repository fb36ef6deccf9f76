import { RootloomError } from "../core/error.ts";
import type { Host } from "../host/ports.ts";

/**
 * A signal that SIGINT and SIGTERM abort: interruptible steps stop at once, short atomic ones finish.
 * `release` gives the signals back.
 */
export function interruption(
  host: Host,
  onInterrupt: () => void,
): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  const abort = () => {
    if (!controller.signal.aborted) onInterrupt();
    controller.abort(new RootloomError("cannot go on: interrupted", { retry: "transient" }));
  };
  const releases = (["SIGINT", "SIGTERM"] as const).map((name) => host.events.onSignal(name, abort));
  return {
    signal: controller.signal,
    release: () => {
      for (const release of releases) release();
    },
  };
}
