import { RootloomError } from "../../core/error.ts";
import type { Host } from "../../host/ports.ts";

/** The absolute path of a tool of the host, to be run with an environment that has no PATH of the host. */
export function requireTool(host: Host, tool: "chroot" | "env"): string {
  const path = host.processes.find(tool);
  if (path !== undefined) return path;
  throw new RootloomError(`cannot run anything in a root: ${tool} is not installed`, {
    hint: "apt-get install coreutils",
    retry: "waiting",
  });
}
