import type { ProvisionResource, ProvisionStep } from "../../core/resource.ts";
import { shellQuote } from "../mount/commands.ts";
import { type PrivateContext, privateScript } from "../mount/private.ts";
import { requireTool } from "./tools.ts";

/** What a program finds in its environment before the step's own variables. */
const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
  TERM: "dumb",
};

export interface StepScript {
  /** For the host's shell: makes the mounts, and changes into the root. Holds no text of a document but paths. */
  readonly outer: string;
  /** For the standard input of the shell in the root: variables and commands. It is in no list of processes. */
  readonly inner: string;
}

interface StepCommands {
  readonly resource: ProvisionResource;
  readonly step: ProvisionStep;
  readonly commands: readonly (readonly string[])[];
  readonly environment: Readonly<Record<string, string>>;
  /** Absolute host path inside the root that the host's resolver file is bound to; undefined: it is not. */
  readonly resolvConf: string | undefined;
}

/**
 * Scripts that run a step's commands, one after another, until one fails. Variables are set behind the change into the
 * root: one that speaks to a loader or a shell never reaches a program of the host.
 */
export function stepScript(
  context: PrivateContext,
  { resource, step, commands, environment, resolvConf }: StepCommands,
): StepScript {
  const { host } = context;
  const env = requireTool(host, "env");
  const { root, mounts } = resource;
  const shell = "/bin/sh -s 3</dev/null";
  const into =
    step.where === "host"
      ? `exec ${env} -i ${shell}`
      : `exec ${env} -i ${requireTool(host, "chroot")} ${shellQuote(root.path)} ${shell}`;
  const outer = ["umask 022", "cd /", privateScript(context, mounts), ...bindResolvConf(resolvConf), into];
  const known = step.where === "host" ? { ...ENVIRONMENT, ROOTLOOM_ROOT: root.path } : ENVIRONMENT;
  const variables = Object.entries({ ...known, ...environment }).map(
    ([name, value]) => `export ${name}=${shellQuote(value)}`,
  );
  // The shell reads its own text from standard input: the commands get an empty one.
  const lines = commands.map((words) => `${words.map(shellQuote).join(" ")} <&3 3<&- || exit $?`);
  return { outer: outer.join("\n"), inner: `${[...variables, ...lines, "exit 0"].join("\n")}\n` };
}

/** Commands of a step that is no list of packages. */
export function plainCommands({ work }: ProvisionStep): readonly (readonly string[])[] {
  if (work.type === "script") return [["/bin/sh", "-e", "-c", work.text]];
  return work.type === "commands" ? work.commands : [];
}

/** Lines of shell that bind the host's resolver file, read-only, where a root's programs read it. */
export function bindResolvConf(resolvConf: string | undefined): readonly string[] {
  if (resolvConf === undefined) return [];
  const [source, target] = [shellQuote("/etc/resolv.conf"), shellQuote(resolvConf)];
  const says = shellQuote(`rootloom: cannot mount ${resolvConf}`);
  const commands = `mount --bind -- ${source} ${target} && mount --options remount,bind,ro -- ${target}`;
  return [`{ ${commands}; } || { echo ${says} >&2; exit 125; }`];
}
