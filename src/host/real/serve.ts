import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { asRootloomError } from "../../core/error.ts";
import { jobTable, loadJobs } from "../../pack/jobs.ts";
import type { JobMap } from "../jobs.ts";
import type { JobContext } from "../ports.ts";
import { createFiles } from "./files.ts";
import { type Answer, type Request, type ThreadData, toPlainError } from "./thread-messages.ts";

/** The thread that long work runs in: one job at a time, with file access of its own. */
const progressPause_ms = 100;

if (parentPort !== null) serve(parentPort);

function serve(port: MessagePort): void {
  const say = (answer: Answer): void => port.postMessage(answer);
  let last_ms = 0;
  // Made for the first job and kept: what is remembered is remembered with its files.
  let context: JobContext | undefined;
  const contextIn = (mountNamespace: string): JobContext => ({
    files: createFiles({ mountNamespace }),
    progress: (done_bytes, total_bytes) => {
      if (performance.now() - last_ms < progressPause_ms) return;
      last_ms = performance.now();
      say({ type: "progress", done_bytes, total_bytes });
    },
    // Cancelling ends this whole thread.
    cancelled: () => false,
    now_ms: () => Date.now(),
  });
  port.on("message", ({ mountNamespace, job, input }: Request) => {
    context ??= contextIn(mountNamespace);
    perform(job, input, context).then(
      (output) => say({ type: "done", output }),
      (thrown: unknown) => say({ type: "failed", error: toPlainError(asRootloomError(thrown)) }),
    );
  });
}

// Loaded while the main thread still reads the commit, and not only when the first job comes: looks first, and nothing more
// for those who only look. What fails is said by the job that needs it.
loadJobs((workerData as ThreadData | null)?.ahead ?? "looks").catch(() => undefined);

async function perform<K extends keyof JobMap>(job: K, input: JobMap[K]["input"], context: JobContext) {
  return jobTable[job](input, context);
}
