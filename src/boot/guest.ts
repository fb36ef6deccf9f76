import { asRootloomError, RootloomError } from "../core/error.ts";
import type { Host } from "../host/ports.ts";
import { Console } from "./console.ts";
import { GUESTS, type Machine, machineArguments } from "./machine.ts";

/** How a guest ended: it printed what was waited for, it ended before, or it was given up. */
export interface Booted {
  readonly end: "seen" | "ended" | "late";
  readonly console: Console;
  readonly duration_ms: number;
}

/**
 * Boots a guest and waits until it prints a text; then, or when the time is over, it is ended. It dies with us.
 * @throws RootloomError when QEMU itself does not run (transient: that says nothing of the guest), or after `signal`.
 */
export async function bootGuest(
  { processes, clock }: Pick<Host, "processes" | "clock">,
  machine: Machine,
  awaited: { readonly expect: string; readonly timeout_ms: number; readonly signal?: AbortSignal | undefined },
): Promise<Booted> {
  const { expect, timeout_ms, signal } = awaited;
  const begun_ms = clock.elapsed_ms();
  const console = new Console(expect);
  const stop = new AbortController();
  const deadline = clock.sleep(timeout_ms, stop.signal).then(
    () => stop.abort(),
    () => undefined,
  );
  const forward = () => stop.abort();
  signal?.addEventListener("abort", forward, { once: true });
  try {
    await processes.run({
      file: GUESTS[machine.architecture].program,
      arguments: machineArguments(machine),
      timeout_ms: 0,
      signal: stop.signal,
      onOutput: (part) => {
        console.add(part);
        if (console.isSeen) stop.abort();
      },
    });
  } catch (thrown) {
    signal?.throwIfAborted();
    if (!stop.signal.aborted) throw notRun(thrown);
  } finally {
    signal?.removeEventListener("abort", forward);
    stop.abort();
    await deadline;
  }
  signal?.throwIfAborted();
  const duration_ms = Math.round(clock.elapsed_ms() - begun_ms);
  if (console.isSeen) return { end: "seen", console, duration_ms };
  return { end: duration_ms >= timeout_ms ? "late" : "ended", console, duration_ms };
}

/** A guest that fails ends QEMU with success: anything else is the host's fault, such as too little memory. */
function notRun(thrown: unknown): RootloomError {
  const { message, details } = asRootloomError(thrown);
  return new RootloomError(`cannot boot a guest: ${message}`, {
    hint: "it is tried again; look at the host's memory, and at what QEMU says",
    retry: "transient",
    details,
    cause: thrown,
  });
}
