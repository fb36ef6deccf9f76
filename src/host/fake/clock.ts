import { RootloomError } from "../../core/error.ts";
import type { Clock } from "../ports.ts";
import type { Random } from "./random.ts";

interface Timer {
  readonly at_ms: number;
  readonly owner: object;
  readonly wake: () => void;
  readonly fail: (reason: unknown) => void;
}

/** Time that moves only when it is told to; all hosts of one machine share it. */
export class VirtualTime {
  readonly #start_ms: number;
  #now_ms: number;
  #timers: Timer[] = [];
  /** Asynchronous work of the ports that is not a wait: while there is any, time stands still. */
  busy = 0;
  /** By how much the wall clock was set wrong or right; monotonic time never jumps. */
  jumped_ms = 0;

  constructor(start_ms: number) {
    this.#start_ms = start_ms;
    this.#now_ms = start_ms;
  }

  /** What the wall clock shows. */
  get now_ms(): number {
    return this.#now_ms + this.jumped_ms;
  }

  get elapsed_ms(): number {
    return this.#now_ms - this.#start_ms;
  }

  get waiting(): number {
    return this.#timers.length;
  }

  sleep(owner: object, duration_ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(cancelled());
    return new Promise((resolve, reject) => {
      const end = (finish: () => void): void => {
        this.#timers = this.#timers.filter((other) => other !== timer);
        signal?.removeEventListener("abort", onAbort);
        finish();
      };
      const onAbort = (): void => end(() => reject(cancelled()));
      const timer: Timer = {
        // As of real timers: whole milliseconds, never too early.
        at_ms: this.#now_ms + Math.max(0, Math.ceil(duration_ms)),
        owner,
        wake: () => end(resolve),
        fail: (reason) => end(() => reject(reason)),
      };
      signal?.addEventListener("abort", onAbort);
      this.#timers.push(timer);
    });
  }

  /** Ends the waits of a host that died. */
  abandon(owner: object, reason: unknown): void {
    for (const timer of this.#timers.filter((other) => other.owner === owner)) timer.fail(reason);
  }

  /** Moves time on; each wait that ends on the way ends at its own moment, and what it wakes runs first. */
  async advance(duration_ms: number): Promise<void> {
    const end_ms = this.#now_ms + duration_ms;
    await this.settle();
    for (let timer = this.#earliest(end_ms); timer !== undefined; timer = this.#earliest(end_ms)) {
      this.#now_ms = Math.max(this.#now_ms, timer.at_ms);
      timer.wake();
      await this.settle();
    }
    this.#now_ms = end_ms;
  }

  /** Waits until `promise` settles, moving time to the next wait's end whenever nothing else is going on. */
  async runUntil<T>(promise: Promise<T>, limit_ms: number): Promise<T> {
    let settled = false;
    const note = (): void => {
      settled = true;
    };
    promise.then(note, note);
    const end_ms = this.#now_ms + limit_ms;
    for (let idle = 0; !settled; ) {
      await this.settle();
      if (settled) break;
      const timer = this.#earliest(end_ms);
      // Work outside the ports (a module that loads) may take a few turns: without a wait, look again for a second.
      idle = timer === undefined ? idle + 1 : 0;
      if (idle > 200) throw stuck(limit_ms);
      if (timer === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
      else {
        this.#now_ms = Math.max(this.#now_ms, timer.at_ms);
        timer.wake();
      }
    }
    return promise;
  }

  /** Lets everything run that can without time moving. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.busy === 0 ? quiet + 1 : 0;
    }
  }

  #earliest(end_ms: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at_ms <= end_ms && (first === undefined || timer.at_ms < first.at_ms)) first = timer;
    }
    return first;
  }
}

export function createFakeClock(time: VirtualTime, owner: object, random: Random): Clock {
  return {
    now_ms: () => time.now_ms,
    elapsed_ms: () => time.elapsed_ms,
    sleep: (duration_ms, signal) => time.sleep(owner, duration_ms, signal),
    random: (bytes) => random.hex(bytes),
  };
}

function stuck(limit_ms: number): RootloomError {
  return new RootloomError(
    `cannot go on: nothing is left to wait for within ${limit_ms} ms, and the work has not ended`,
  );
}

function cancelled(): RootloomError {
  return new RootloomError("cannot go on waiting: cancelled", { retry: "waiting", condition: "Cancelled" });
}
