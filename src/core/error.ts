/**
 * The one error class. A message reads "cannot X: why"; the hint says what to do.
 *
 * `retry` is the kind of the error (DESIGN, rule 12):
 * - `transient`: tried again with backoff;
 * - `waiting`: an event will wake it, `condition` names what is awaited;
 * - `terminal`: stalled until an input of the step changes.
 */
export type RetryKind = "transient" | "waiting" | "terminal";

export interface ErrorOptions {
  readonly hint?: string;
  readonly retry?: RetryKind;
  readonly condition?: string;
  readonly cause?: unknown;
  /** Further lines for a person: a command that can be pasted, its last output lines. */
  readonly details?: readonly string[];
}

export class RootloomError extends Error {
  readonly hint: string | undefined;
  readonly retry: RetryKind;
  readonly condition: string | undefined;
  readonly details: readonly string[];

  constructor(message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "RootloomError";
    this.hint = options.hint;
    this.retry = options.retry ?? "terminal";
    this.condition = options.condition;
    this.details = options.details ?? [];
  }
}

/** Wraps anything thrown; a RootloomError passes as it is, all else becomes terminal with its own message. */
export function asRootloomError(thrown: unknown): RootloomError {
  if (thrown instanceof RootloomError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new RootloomError(message, { cause: thrown });
}
