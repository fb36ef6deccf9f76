import { RootloomError } from "../core/error.ts";
import type { ApplyContext } from "./types.ts";

/** @throws RootloomError (waiting) that names the package. */
export function requireTool(tool: string, what: string, debian: string, context: Pick<ApplyContext, "host">): void {
  if (context.host.processes.find(tool) !== undefined) return;
  throw new RootloomError(`cannot ${what}: ${tool} is not installed`, {
    hint: `apt-get install ${debian}`,
    retry: "waiting",
    condition: "ToolMissing",
  });
}
