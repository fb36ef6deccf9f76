import { RootloomError } from "../../core/error.ts";
import type { JobMap, JobTable } from "../jobs.ts";
import type { Files, Jobs } from "../ports.ts";

export interface JobsContext {
  readonly files: Files;
  readonly now_ms: () => number;
  readonly loadTable: () => Promise<JobTable>;
}

/**
 * The job port: the same functions that a worker thread runs, in place, on the files in memory. One at a time: the
 * compressors work in threads of their own, and two jobs would take turns differently on each run of a seed.
 */
export function createFakeJobs(context: JobsContext): Jobs {
  let last: Promise<unknown> = Promise.resolve();
  return {
    width: 1,
    prepare: () => undefined,
    run: (job, input, options) => {
      const mine = last.then(() => runJob(context, job, input, options));
      last = mine.catch(() => undefined);
      return mine;
    },
  };
}

async function runJob<K extends keyof JobMap>(
  context: JobsContext,
  job: K,
  input: JobMap[K]["input"],
  options: Parameters<Jobs["run"]>[2] = {},
): Promise<JobMap[K]["output"]> {
  const { signal, onProgress } = options;
  const isCancelled = (): boolean => signal?.aborted === true;
  if (isCancelled()) throw cancelled(job);
  const table = await context.loadTable();
  // A worker's input crosses a thread boundary: what cannot be copied must fail here too.
  const copied = structuredClone(input);
  const result = await table[job](copied, {
    files: context.files,
    progress: (done_bytes, total_bytes) => onProgress?.(done_bytes, total_bytes),
    cancelled: isCancelled,
    now_ms: context.now_ms,
  });
  if (isCancelled()) throw cancelled(job);
  return structuredClone(result);
}

function cancelled(job: string): RootloomError {
  return new RootloomError(`cannot finish the job ${job}: cancelled`, { retry: "waiting", condition: "Cancelled" });
}
