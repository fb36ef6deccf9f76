/** Does one work of the benchmark in a process of its own, and prints its seconds and its peak of memory as JSON. */
import { readFileSync } from "node:fs";
import { timed } from "./figure.ts";
import { openSession, packCold, passNothing } from "./site.ts";

export interface ChildFigures {
  readonly seconds: number;
  /** VmHWM: the most that was resident at any moment, all threads together. */
  readonly peak_bytes: number;
}

const [what, directory = "."] = process.argv.slice(2);
const session = openSession(directory);
const gzip = { codec: "gzip", level: 5 } as const;
const seconds: number[] = [];
for (let run = 0; run < (what === "cold" ? 1 : 3); run++) {
  const measured = what === "cold" ? await packCold(session, directory, gzip) : await timed(() => passNothing(session));
  seconds.push(measured.seconds);
}
const [, peak_kib = "0"] = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
const figures: ChildFigures = { seconds: Math.min(...seconds), peak_bytes: Number(peak_kib) * 1024 };
console.log(JSON.stringify(figures));
process.exit(0);
