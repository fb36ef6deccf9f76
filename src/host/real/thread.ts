import { Worker } from "node:worker_threads";
import type { ThreadData } from "./thread-messages.ts";

/** What a walk makes is garbage at once: more room for it only makes the process larger. */
const young_mb = 8;

const ours = new URL(`./worker${import.meta.url.slice(-3)}`, import.meta.url);
let begun: Worker | undefined;

/** A thread that makes ready what looks or all jobs need. */
export function startThread(ahead: ThreadData["ahead"], module = ours): Worker {
  const worker = new Worker(module, {
    workerData: { ahead } satisfies ThreadData,
    // Descriptors from openat2 are closed through node:fs, which Node would warn of in a worker.
    trackUnmanagedFds: false,
    resourceLimits: { maxYoungGenerationSizeMb: young_mb },
  });
  worker.on("error", () => undefined); // heard by the job; nothing is lost on an idle one
  return worker;
}

/**
 * Starts one thread for looks before there is a host to look at: while a command loads its own modules, another processor has
 * nothing to do. The host that is made takes it; it keeps no process alive. Never fails: where no thread can be started, the first
 * job says so.
 */
export function beginThread(module = ours): Worker | undefined {
  try {
    const worker = startThread("looks", module);
    worker.unref();
    worker.once("exit", () => {
      if (begun === worker) begun = undefined;
    });
    begun = worker;
  } catch {
    begun = undefined;
  }
  return begun;
}

/** The thread that was begun, if it is alive and nobody has it. */
export function takeBegun(): Worker | undefined {
  const worker = begun;
  begun = undefined;
  return worker;
}
