import { RootloomError } from "../../core/error.ts";
import type { MountResource } from "../../core/resource.ts";
import type { Host } from "../../host/ports.ts";
import { mountCommands, shellLine, shellQuote } from "./commands.ts";
import { inheritedFlags } from "./match.ts";
import { provideSource, type SourceContext } from "./source.ts";
import { makeTarget, resolveTarget } from "./target.ts";

export interface PrivateContext extends SourceContext {
  readonly host: Host;
  readonly signal?: AbortSignal | undefined;
}

export interface RunInRoot {
  readonly treePath: string;
  /** Made in order of their targets, in a namespace that ends with the command. */
  readonly mounts: readonly MountResource[];
  /** Lines of shell behind the mounts. */
  readonly more?: readonly string[];
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
  const into = [chroot, run.treePath, ...run.command].map(shellQuote).join(" ");
  const script = [privateScript(context, run.mounts), ...(run.more ?? []), `exec ${into}`].join("\n");
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

/**
 * A shell script that makes mounts where they really belong; missing sources and targets are made first. A host mount that
 * stands in the namespace which the new one is a copy of is there already.
 */
export function privateScript(context: PrivateContext, mounts: readonly MountResource[]): string {
  const { host } = context;
  const standing = host.files.mounts();
  const ordered = [...mounts].sort((a, b) => (a.target < b.target ? -1 : 1));
  const lines = ordered.map((resource) => {
    provideSource(resource, context);
    const target = resolveTarget(host.files, resource);
    const parent = ordered.findLast((other) => other !== resource && resource.target.startsWith(`${other.target}/`));
    // Below another mount it must be there already: made now it would land underneath. A tmpfs is empty, and only ours.
    if (!target.exists && parent === undefined) makeTarget(host.files, resource, target.path);
    const says = shellQuote(`rootloom: cannot mount ${target.path}`);
    const inherited = inheritedFlags(resource, host.files, standing);
    const making = parent?.type === "tmpfs" ? [["mkdir", "-p", "--", target.path]] : [];
    const commands = [...making, ...mountCommands({ ...resource, target: target.path }, inherited)];
    const line = `{ ${shellLine(commands)}; } || { echo ${says} >&2; exit ${MOUNT_FAILED}; }`;
    return resource.namespace === "host" ? unlessThere(target.path, line) : line;
  });
  return lines.join("\n");
}

/** Runs a line unless the kernel's list has a mount at the target: there, blanks and the like stand as octal numbers. */
function unlessThere(target: string, line: string): string {
  const listed = target.replace(
    /[ \t\n\\#]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
  return `case "$(cat /proc/self/mountinfo)" in *${shellQuote(` ${listed} `)}*) ;; *) ${line} ;; esac`;
}
