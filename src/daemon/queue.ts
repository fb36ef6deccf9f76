/**
 * Lets one body work at a time. It holds at any moment that
 * - at most one body runs;
 * - bodies run in the order in which they came;
 * - a body that fails does not stop the next.
 */
export interface Queue {
  run<T>(body: () => Promise<T>): Promise<T>;
  /** Resolves when nothing runs and nothing waits. */
  idle(): Promise<void>;
}

export function createQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  const run = <T>(body: () => Promise<T>): Promise<T> => {
    const mine = last.then(body);
    last = mine.catch(() => undefined);
    return mine;
  };
  return { run, idle: () => last.then(() => undefined) };
}
