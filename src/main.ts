import { createRequire } from "node:module";
import "./own-modules.ts";

const { commandWord } = await import("./cli/global-options.ts");

/** Commands that walk trees and change nothing: most of what they take is to load and to walk. */
const LOOKING: ReadonlySet<string> = new Set(["drift", "plan", "explain"]);
const argv = process.argv.slice(2);
if (LOOKING.has(commandWord(argv) ?? "")) (await import("./host/real/thread.ts")).beginThread();

const { run } = await import("./cli/run.ts");

/** The only place that reads the process's own arguments, variables and streams; all else is given them. */
const { version } = createRequire(import.meta.url)("../package.json") as { version: string };

process.exitCode = await run({
  argv,
  environment: process.env,
  directory: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  nodeVersion: process.versions.node,
  version,
});
