import { asRootloomError, RootloomError } from "../../../core/error.ts";
import type { PackageWork, TreeResource } from "../../../core/resource.ts";
import type { Host } from "../../../host/ports.ts";
import { shellQuote } from "../../mount/commands.ts";
import { requireTool } from "../tools.ts";
import type { PackageDifference } from "./adapter.ts";

const LIST_TIMEOUT_MS = 60_000;

/** What the user's own scripts are run as: the names are their arguments. */
export function ownCommands(
  { commands }: PackageWork,
  { missing, unwanted }: PackageDifference,
): readonly (readonly string[])[] {
  const script = (text: string | undefined, names: readonly string[]): string[][] =>
    text === undefined || names.length === 0 ? [] : [["/bin/sh", "-e", "-c", text, "packages", ...names]];
  return [...script(commands?.install, missing), ...script(commands?.remove, unwanted)];
}

/**
 * Asks the user's own `list` what is installed. It runs in the root while that is read-only and has no network: looking
 * changes nothing.
 */
export async function listedDifference(
  work: PackageWork,
  root: TreeResource,
  host: Host,
  signal: AbortSignal | undefined,
): Promise<PackageDifference> {
  const chroot = requireTool(host, "chroot");
  if (host.processes.userId !== 0)
    throw new RootloomError(`cannot tell what is installed in root ${root.name}: its list command needs root`, {
      hint: "run it as root",
      retry: "waiting",
    });
  const [top, list] = [shellQuote(root.path), shellQuote(work.commands?.list ?? "")];
  const script = [
    `mount --bind -- ${top} ${top}`,
    `mount --options remount,bind,ro -- ${top}`,
    `exec unshare --net -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root ${chroot} ${top} /bin/sh -e -c ${list}`,
  ];
  const { stdout } = await host.processes
    .run({
      file: "sh",
      arguments: ["-e", "-c", script.join("\n")],
      directory: "/",
      privateNamespace: true,
      timeout_ms: LIST_TIMEOUT_MS,
      signal,
    })
    .catch((thrown) => {
      signal?.throwIfAborted();
      throw new RootloomError(`cannot tell what is installed in root ${root.name}: its list command fails`, {
        hint: "it runs while the root is read-only and has no network; try it there by `rootloom enter`",
        details: asRootloomError(thrown).details,
      });
    });
  const installed = new Set(stdout.split("\n").map((line) => line.trim()));
  return {
    missing: work.install.filter((name) => !installed.has(name)),
    unwanted: work.remove.filter((name) => installed.has(name)),
  };
}
