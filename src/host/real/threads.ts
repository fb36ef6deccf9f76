import type { Worker } from "node:worker_threads";
import type { JobMap } from "../jobs.ts";

type Job = keyof JobMap;

/** Soon over, most of the time: who needs that very thread waits for it, but no longer than to do without it takes. */
const SHORT: ReadonlySet<Job> = new Set(["look", "generation", "hash", "drift"] as const);
const PATIENCE_MS = 500;

interface Busy {
  readonly job: Job;
  readonly ended: Promise<void>;
  readonly end: () => void;
}

/**
 * Worker threads, each with one job at a time. What a job reads may have a home: the thread that read it before remembers much of
 * it, so the job goes there, unless that one is busy with something longer.
 */
export class Threads {
  readonly #start: () => Worker;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Busy>();
  readonly #homes = new Map<string, Worker>();

  /** @param start makes a thread. */
  constructor(start: () => Worker) {
    this.#start = start;
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** A new one, which keeps no process alive while it has nothing to do. */
  add(worker: Worker): void {
    worker.unref();
    this.#idle.push(worker);
    worker.on("exit", () => this.#forget(worker));
  }

  /** @param place names what the job reads; undefined where nothing of it is remembered. */
  async take(job: Job, place: string | undefined): Promise<Worker> {
    const home = place === undefined ? undefined : this.#homes.get(place);
    const busy = home && this.#busy.get(home);
    if (busy && SHORT.has(busy.job)) await atMost(PATIENCE_MS, busy.ended);
    if (this.#idle.length === 0) this.add(this.#start());
    const worker = this.#takeIdle(home);
    if (place !== undefined && !this.#homes.has(place)) this.#homes.set(place, worker);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.#busy.set(worker, { job, ended, end });
    return worker;
  }

  /** One whose job is over, and which goes on. */
  giveBack(worker: Worker): void {
    this.#endOf(worker);
    worker.unref();
    this.#idle.push(worker);
  }

  #takeIdle(home: Worker | undefined): Worker {
    const homes = new Set(this.#homes.values());
    const wanted = home === undefined ? -1 : this.#idle.indexOf(home);
    const index = wanted < 0 ? this.#idle.findLastIndex((each) => !homes.has(each)) : wanted;
    const [worker] = this.#idle.splice(index < 0 ? this.#idle.length - 1 : index, 1);
    return worker as Worker;
  }

  #endOf(worker: Worker): void {
    this.#busy.get(worker)?.end();
    this.#busy.delete(worker);
  }

  #forget(worker: Worker): void {
    this.#endOf(worker);
    const index = this.#idle.indexOf(worker);
    if (index >= 0) this.#idle.splice(index, 1);
    for (const [place, home] of this.#homes) if (home === worker) this.#homes.delete(place);
  }
}

async function atMost(patience_ms: number, ended: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patience_ms);
  });
  await Promise.race([ended, patience]);
  clearTimeout(timer);
}
