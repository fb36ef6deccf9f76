import { RootloomError } from "../core/error.ts";
import { LOCKED } from "../state/lock.ts";
import type { Output } from "./output.ts";

/**
 * Prints what went wrong: `error: cannot X: why`, its details, and `hint: ...`. Returns the exit code: 5 when the state is
 * locked, else 1. A stack is shown at log level debug only.
 */
export function printFailure(thrown: unknown, output: Pick<Output, "error">, debug: boolean): number {
  const expected = thrown instanceof RootloomError;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const lines = [`error: ${expected ? message : `cannot go on: ${message}`}`];
  if (expected) lines.push(...thrown.details.map((detail) => `  ${detail}`));
  if (expected && thrown.hint !== undefined) lines.push(`hint: ${thrown.hint}`);
  if (!expected && !debug) lines.push("hint: this is a fault of the program: run it again with --log-level debug");
  if (debug && thrown instanceof Error) lines.push(stackOf(thrown));
  output.error(`${lines.join("\n")}\n`);
  return expected && thrown.condition === LOCKED ? 5 : 1;
}

function stackOf(error: Error): string {
  const own = error.stack ?? "";
  return error.cause instanceof Error ? `${own}\ncaused by: ${stackOf(error.cause)}` : own;
}
