import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { RootloomError } from "../../core/error.ts";
import type { JobMap } from "../jobs.ts";
import type { Jobs } from "../ports.ts";
import { startThread, takeBegun } from "./thread.ts";
import { type Answer, fromPlainError, type Request } from "./thread-messages.ts";
import { Threads } from "./threads.ts";

export interface JobsOptions {
  readonly mountNamespace: string;
  /** The module that the thread runs, for tests. */
  readonly worker?: URL;
}

/** A pass without changes asks for two jobs at once: what the roots hold, and what the images would. */
const PREPARED = Math.min(2, availableParallelism());

type RunOptions = NonNullable<Parameters<Jobs["run"]>[2]>;

/**
 * Runs jobs in worker threads, as many at once as there are processors; further ones wait in turn. A
 * thread is used again; an idle one does not keep the process alive. Cancelling ends the thread.
 */
export function createJobs(options: JobsOptions): Jobs {
  const turns = new Turns(availableParallelism());
  const { mountNamespace, worker: module } = options;
  const threads = new Threads(() => startThread("looks", module));
  return {
    width: availableParallelism(),
    prepare(ahead) {
      while (threads.idle < PREPARED) threads.add(takeBegun() ?? startThread(ahead, module));
    },
    async run<K extends keyof JobMap>(job: K, input: JobMap[K]["input"], settings: RunOptions = {}) {
      const release = await turns.take(settings.signal, job);
      try {
        const worker = await threads.take(job, placeOf(input));
        if (settings.signal?.aborted === true) {
          threads.giveBack(worker);
          throw cancelled(job);
        }
        const answer = await ask(worker, { mountNamespace, job, input } as Request, settings);
        threads.giveBack(worker);
        if (answer.type === "failed") throw fromPlainError(answer.error);
        return answer.output as JobMap[K]["output"];
      } finally {
        release();
      }
    },
  };
}

/** The root of an image: jobs that read it so remember it for the next of them. */
function placeOf(input: JobMap[keyof JobMap]["input"]): string | undefined {
  if (!("layers" in input)) return undefined;
  const [lowest] = input.layers;
  return lowest?.type === "overlay" ? lowest.name : lowest?.path;
}

type Last = Exclude<Answer, { readonly type: "progress" }>;

/** One job in one thread. A thread that was cancelled or died rejects, and is not used again; one whose job failed is. */
function ask(worker: Worker, request: Request, { signal, onProgress }: RunOptions): Promise<Last> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
      signal?.removeEventListener("abort", onAbort);
      settle();
    };
    const stop = (error: RootloomError): void => {
      finish(() => {
        // Settled only when the thread is gone: until then it may still write.
        worker.terminate().then(
          () => reject(error),
          () => reject(error),
        );
      });
    };
    const onMessage = (answer: Answer): void => {
      if (answer.type === "progress") onProgress?.(answer.done_bytes, answer.total_bytes);
      else finish(() => resolve(answer));
    };
    const onAbort = (): void => stop(cancelled(request.job));
    const onError = (thrown: unknown): void => stop(died(request.job, thrown));
    const onExit = (code: number): void => stop(died(request.job, new Error(`its thread ended with code ${code}`)));
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
    signal?.addEventListener("abort", onAbort, { once: true });
    worker.ref();
    try {
      worker.postMessage(request);
    } catch (thrown) {
      onError(thrown); // an input that no thread can be given: a fault of ours
    }
  });
}

function cancelled(job: string): RootloomError {
  return new RootloomError(`cannot finish the job "${job}": cancelled`, { retry: "transient" });
}

function died(job: string, thrown: unknown): RootloomError {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return new RootloomError(`cannot finish the job "${job}": ${why}`, {
    retry: "transient",
    cause: thrown,
    hint: "`dmesg` says whether memory ran out; the Host document's memory limit bounds it",
  });
}

/** Lets `limit` holders in at once, in the order in which they came. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  async take(signal: AbortSignal | undefined, job: string): Promise<() => void> {
    if (signal?.aborted === true) throw cancelled(job);
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal, job);
    return () => this.#give();
  }

  #wait(signal: AbortSignal | undefined, job: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(cancelled(job));
      };
      const turn = (): void => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      this.#waiting.push(turn);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  #give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
