import { randomBytes } from "node:crypto";
import { RootloomError } from "../../core/error.ts";
import type { Clock } from "../ports.ts";

/** The machine's time and randomness. A sleep that is cancelled rejects. */
export function createClock(): Clock {
  return {
    now_ms: () => Date.now(),
    elapsed_ms: () => performance.now(),
    sleep,
    random: (bytes) => randomBytes(bytes).toString("hex"),
  };
}

function sleep(duration_ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(new RootloomError("cannot go on waiting: cancelled", { retry: "waiting", condition: "Cancelled" }));
    };
    const timer = setTimeout(
      () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      },
      // Node fires at once what is longer than this; a longer wait simply ends early.
      Math.min(Math.max(0, duration_ms), 2 ** 31 - 1),
    );
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}
