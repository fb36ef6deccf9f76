import type { PackageWork, TreeResource } from "../../../core/resource.ts";
import type { Host } from "../../../host/ports.ts";
import type { PackageAdapter, PackageDifference } from "./adapter.ts";
import { apt } from "./apt.ts";
import { listedDifference, ownCommands } from "./command.ts";
import { portage } from "./portage.ts";

const ADAPTERS: { readonly [A in Exclude<PackageWork["adapter"], "command">]: PackageAdapter } = { apt, portage };

/** How what is installed in a root differs from what is declared, as its package manager's own database has it. */
export async function packageDifference(
  work: PackageWork,
  root: TreeResource,
  host: Host,
  signal: AbortSignal | undefined,
): Promise<PackageDifference> {
  if (work.adapter === "command") return listedDifference(work, root, host, signal);
  const tree = host.files.openTree(root.path);
  try {
    return ADAPTERS[work.adapter].difference(work, tree);
  } finally {
    tree.close();
  }
}

/** Commands that make it as declared, and the variables that they need. */
export function packageCommands(
  work: PackageWork,
  difference: PackageDifference,
): {
  readonly commands: readonly (readonly string[])[];
  readonly environment: Readonly<Record<string, string>>;
} {
  if (work.adapter === "command") return { commands: ownCommands(work, difference), environment: {} };
  const adapter = ADAPTERS[work.adapter];
  return { commands: adapter.commands(work, difference), environment: adapter.environment };
}
