/**
 * A site's own process, as a daemon has it: nothing else is in its memory. `cold` and `nothing` are done at once, and their
 * seconds and the peak of memory printed as JSON; `passes` runs one pass for each message that its parent sends.
 */
import { readFileSync } from "node:fs";
import { timed } from "./figure.ts";
import { openSession, packCold, passNothing, runOnePass } from "./session.ts";

export interface ChildFigures {
  readonly seconds: number;
  /** VmHWM: the most that was resident at any moment, all threads together. */
  readonly peak_bytes: number;
}

const [what, directory = "."] = process.argv.slice(2);
const session = openSession(directory);
if (what === "passes") {
  process.on("disconnect", () => process.exit(0));
  process.on("message", async (pass: "any" | "nothing") => {
    process.send?.(await timed(() => (pass === "nothing" ? passNothing(session) : runOnePass(session))));
  });
} else {
  const gzip = { codec: "gzip", level: 5 } as const;
  const seconds: number[] = [];
  for (let run = 0; run < (what === "cold" ? 1 : 3); run++) {
    const isCold = what === "cold";
    const measured = isCold ? await packCold(session, directory, gzip) : await timed(() => passNothing(session));
    seconds.push(measured.seconds);
  }
  const [, peak_kib = "0"] = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  const figures: ChildFigures = { seconds: Math.min(...seconds), peak_bytes: Number(peak_kib) * 1024 };
  console.log(JSON.stringify(figures));
  process.exit(0);
}
