import { RootloomError } from "../../core/error.ts";
import type { MountResource } from "../../core/resource.ts";
import type { Host } from "../../host/ports.ts";
import { mountCommands, shellLine, shellQuote } from "./commands.ts";
import { makeTarget, resolveTarget } from "./target.ts";

export interface PrivateContext {
  readonly host: Host;
  readonly signal?: AbortSignal | undefined;
}

export interface RunInRoot {
  readonly treePath: string;
  /** Made in order of their targets, in a namespace that ends with the command. */
  readonly mounts: readonly MountResource[];
  readonly command: readonly string[];
  /** All that the command gets; nothing of the caller's environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly interactive: boolean;
}

/** Exit code of the script when a mount of it failed. */
const MOUNT_FAILED = 125;
const ANY_EXIT_CODE = Array.from({ length: 256 }, (_, code) => code);

/**
 * Runs a command in a root, with the root's mounts, in a mount namespace of its own. Returns whatever
 * exit code the command had.
 * @throws RootloomError when a mount could not be made.
 */
export async function runInRoot(context: PrivateContext, run: RunInRoot): Promise<number> {
  const { host, signal } = context;
  const chroot = host.processes.find("chroot");
  if (chroot === undefined)
    throw new RootloomError("cannot enter a root: chroot is not installed", { hint: "apt-get install coreutils" });
  const script = `${privateScript(host, run.mounts)}\nexec ${[chroot, run.treePath, ...run.command].map(shellQuote).join(" ")}`;
  const finished = await host.processes.run({
    file: "sh",
    arguments: ["-c", script],
    directory: "/",
    environment: run.environment,
    privateNamespace: true,
    interactive: run.interactive,
    accept: ANY_EXIT_CODE,
    timeout_ms: 0,
    signal,
  });
  const failed = finished.exitCode === MOUNT_FAILED && finished.stderr.includes("rootloom: cannot mount ");
  if (!failed) return finished.exitCode;
  throw new RootloomError(`cannot enter ${run.treePath}: one of its mounts failed`, {
    hint: "see the lines below, and the root's `mounts`",
    details: finished.stderr.trim().split("\n").slice(-5),
  });
}

/** A shell script that makes mounts where they really belong; missing targets are made in the root first. */
export function privateScript(host: Host, mounts: readonly MountResource[]): string {
  const ordered = [...mounts].sort((a, b) => (a.target < b.target ? -1 : 1));
  const lines = ordered.map((resource) => {
    const target = resolveTarget(host.files, resource);
    const parent = ordered.findLast((other) => other !== resource && resource.target.startsWith(`${other.target}/`));
    // Below another mount it must be there already: made now it would land underneath. A tmpfs is empty, and only ours.
    if (!target.exists && parent === undefined) makeTarget(host.files, resource, target.path);
    const says = shellQuote(`rootloom: cannot mount ${target.path}`);
    const making = parent?.type === "tmpfs" ? [["mkdir", "-p", "--", target.path]] : [];
    const commands = [...making, ...mountCommands({ ...resource, target: target.path })];
    return `{ ${shellLine(commands)}; } || { echo ${says} >&2; exit ${MOUNT_FAILED}; }`;
  });
  return lines.join("\n");
}
