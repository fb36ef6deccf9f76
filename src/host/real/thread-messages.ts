import { type RetryKind, RootloomError } from "../../core/error.ts";
import type { JobMap } from "../jobs.ts";

/** What a worker begins with. */
export interface ThreadData {
  /** What it makes ready at once. */
  readonly ahead: "looks" | "all";
}

/** What the main thread asks of a worker. */
export type Request = { readonly mountNamespace: string } & {
  [K in keyof JobMap]: { readonly job: K; readonly input: JobMap[K]["input"] };
}[keyof JobMap];

/** What a worker says of its one job at a time. */
export type Answer =
  | { readonly type: "progress"; readonly done_bytes: number; readonly total_bytes: number }
  | { readonly type: "done"; readonly output: unknown }
  | { readonly type: "failed"; readonly error: PlainError };

export interface PlainError {
  readonly message: string;
  readonly hint: string | undefined;
  readonly retry: RetryKind;
  readonly condition: string | undefined;
  readonly details: readonly string[];
  readonly cause: string | undefined;
}

/** An error as plain data: threads exchange no classes. */
export function toPlainError(error: RootloomError): PlainError {
  const { message, hint, retry, condition, details, cause } = error;
  return { message, hint, retry, condition, details, cause: cause === undefined ? undefined : String(cause) };
}

export function fromPlainError(plain: PlainError): RootloomError {
  const { message, hint, retry, condition, details, cause } = plain;
  return new RootloomError(message, {
    retry,
    details,
    ...(hint === undefined ? {} : { hint }),
    ...(condition === undefined ? {} : { condition }),
    ...(cause === undefined ? {} : { cause }),
  });
}
