import { run } from "../../src/cli/run.ts";
import type { Host } from "../../src/host/ports.ts";
import { createHost } from "../../src/host/real/host.ts";
import { dyingHost } from "./points.ts";

/** The program as `src/main.ts` starts it, on a host that dies at a point of its journal, and says what became of each pass. */
const deaths = { file: process.env.KILLS_FILE ?? "", only: process.env.KILLS_ONLY ?? "" };
const trouble = { edited: process.env.KILLS_EDITED ?? "", full: process.env.KILLS_FULL === "yes" };

process.exitCode = await run({
  argv: process.argv.slice(2),
  environment: process.env,
  directory: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  nodeVersion: process.versions.node,
  version: "0.0.0",
  createHost: (options) => telling(dyingHost(createHost(options), deaths, trouble)),
});

/** What systemd would be told, as lines on standard output. */
function telling(host: Host): Host {
  const notify = async (state: string): Promise<void> => {
    process.stdout.write(`${state}\n`);
  };
  return { ...host, events: { ...host.events, notify } };
}
