import type { Clock } from "../host/ports.ts";

/** Why the loop goes round: shown in the run's `trigger`. */
export type Trigger = "start" | "commit" | "worktree" | "timer" | "hangup" | "stop";

export interface Wakes {
  /** Asks for a pass after `delay_ms`; the soonest of several wins. */
  wake(trigger: Trigger, delay_ms?: number): void;
  /** True when a pass was asked for since the last `next`. */
  pending(trigger: Trigger): boolean;
  /** The next trigger: one that was asked for, else `timer` after `longest_ms`. */
  next(longest_ms: number): Promise<Trigger>;
}

interface Asked {
  readonly trigger: Trigger;
  readonly due_ms: number;
}

/** Any number of hints that come while the loop works, or within their delay, make one wake-up. */
export function createWakes(clock: Clock): Wakes {
  let asked: Asked[] = [];
  let interrupt: AbortController | undefined;

  function wake(trigger: Trigger, delay_ms = 0): void {
    const due_ms = clock.elapsed_ms() + delay_ms;
    // One a trigger, the soonest: a storm of hints during a long pass must not pile up.
    const sooner = asked.find((item) => item.trigger === trigger && item.due_ms <= due_ms);
    if (sooner === undefined) asked = [...asked.filter((item) => item.trigger !== trigger), { trigger, due_ms }];
    interrupt?.abort();
  }

  async function next(longest_ms: number): Promise<Trigger> {
    const latest_ms = clock.elapsed_ms() + longest_ms;
    for (;;) {
      const now_ms = clock.elapsed_ms();
      const due = asked.filter((item) => item.due_ms <= now_ms);
      const [first] = due;
      if (first !== undefined) {
        asked = [];
        return due.find((item) => item.trigger === "stop")?.trigger ?? first.trigger;
      }
      if (now_ms >= latest_ms) return "timer";
      const until_ms = Math.min(latest_ms, ...asked.map((item) => item.due_ms));
      await sleepUnlessWoken(until_ms - now_ms);
    }
  }

  async function sleepUnlessWoken(duration_ms: number): Promise<void> {
    interrupt = new AbortController();
    try {
      await clock.sleep(duration_ms, interrupt.signal);
    } catch (thrown) {
      if (!interrupt.signal.aborted) throw thrown;
    } finally {
      interrupt = undefined;
    }
  }

  return { wake, next, pending: (trigger) => asked.some((item) => item.trigger === trigger) };
}
