// A worker for the tests of jobs: what the job "list" is given as manifest says what to do.
import { appendFileSync, writeFileSync } from "node:fs";
import { parentPort, threadId } from "node:worker_threads";

parentPort.on("message", async ({ input }) => {
  const [order, file] = input.manifest.split(" ");
  if (order === "exit") process.exit(3);
  if (order === "throw") throw new Error("out of order");
  if (order === "write-for-ever") {
    writeFileSync(file, "");
    for (;;) appendFileSync(file, "x");
  }
  if (order === "wait") await new Promise((resolve) => setTimeout(resolve, 50));
  if (order === "progress") parentPort.postMessage({ type: "progress", done_bytes: 1, total_bytes: 2 });
  parentPort.postMessage({ type: "done", output: { entries: [], threadId, at: Date.now() } });
});
