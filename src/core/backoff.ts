/** How long to wait before a transient failure is tried again. */
export interface BackoffPolicy {
  readonly first_ms: number;
  readonly longest_ms: number;
}

export const DEFAULT_BACKOFF: BackoffPolicy = { first_ms: 2_000, longest_ms: 300_000 };

/**
 * Doubles from `first_ms` up to `longest_ms`, of which the upper half is jitter.
 * @param failures how often it has failed in a row, from 1
 * @param fraction a random number, 0 <= fraction < 1
 * @returns milliseconds
 */
export function backoff_ms(failures: number, fraction: number, policy: BackoffPolicy = DEFAULT_BACKOFF): number {
  const doubled = policy.first_ms * 2 ** Math.min(Math.max(failures, 1) - 1, 30);
  const bounded = Math.min(doubled, policy.longest_ms);
  return Math.round(bounded / 2 + (bounded / 2) * fraction);
}
