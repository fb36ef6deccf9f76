import { RootloomError } from "../core/error.ts";
import type { Host } from "../host/ports.ts";
import { openState } from "./state.ts";

/** Condition of the error that says another holds the state's lock: exit code 5. */
export const LOCKED = "Locked";

/**
 * Takes the one lock of a state directory (`STATE/lock`) for the length of `body`: one pass or one changing
 * command at a time.
 * @throws RootloomError with condition "Locked" that names the holder's pid and the step it is at.
 */
export async function withStateLock<T>(host: Host, directory: string, body: () => Promise<T>): Promise<T> {
  host.files.makeDirectories(directory, 0o700);
  const lock = await host.stores.lock(lockPath(directory));
  if (lock === undefined) throw lockedError(host, directory);
  try {
    return await body();
  } finally {
    lock.release();
  }
}

export function lockPath(directory: string): string {
  return `${directory}/lock`;
}

/** Who holds the lock and what they are at, in words: `pid 812 (node), at tree/debian: tree.create since ...`. */
export function describeHolders(host: Host, directory: string): string {
  const holders = host.stores.holders(lockPath(directory)).map(({ pid, command }) => `pid ${pid} (${command})`);
  const who = holders.length === 0 ? "another process" : holders.join(", ");
  const step = currentStep(host, directory);
  return step === undefined ? who : `${who}, at ${step}`;
}

function lockedError(host: Host, directory: string): RootloomError {
  return new RootloomError(`cannot take the lock of ${directory}: it is held by ${describeHolders(host, directory)}`, {
    hint: "wait until it is done, or look with `rootloom status`",
    retry: "waiting",
    condition: LOCKED,
  });
}

function currentStep(host: Host, directory: string): string | undefined {
  try {
    const state = openState(host, directory, "read");
    const step = state.openSteps().at(-1);
    state.close();
    return step === undefined ? undefined : `${step.stepId}: ${step.operation} since ${step.begunAt}`;
  } catch {
    // The holder may be writing just now; its pid says enough.
    return undefined;
  }
}
