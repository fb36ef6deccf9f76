import { RootloomError } from "../../core/error.ts";
import type { Command } from "../ports.ts";

/** How a process ended. */
export interface Ended {
  readonly exitCode?: number | undefined;
  readonly signal?: NodeJS.Signals | undefined;
  readonly cause?: unknown;
}

export function ended(command: Command, why: string, lastLines: readonly string[]): RootloomError {
  const details = [pasted(command), ...lastLines];
  return new RootloomError(`cannot run ${command.file}: ${why}`, { retry: "transient", details });
}

export function failed(command: Command, result: Ended, lastLines: readonly string[]): RootloomError {
  const end = result.signal === undefined ? `exit ${result.exitCode ?? "unknown"}` : `killed by ${result.signal}`;
  const cause = result.exitCode === undefined && result.signal === undefined ? result.cause : undefined;
  const why = cause instanceof Error ? cause.message : [end, ...lastLines.slice(-1)].join(": ");
  const details = [pasted(command), ...lastLines];
  return new RootloomError(`cannot run ${command.file}: ${why}`, {
    details,
    ...(result.signal === "SIGKILL" ? { hint: "`dmesg` says whether memory ran out" } : {}),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The command as a line for a shell, without our wrapping and without its environment, which may hold secrets. */
function pasted(command: Command): string {
  const quote = (word: string): string => (/^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
  const line = [command.file, ...command.arguments].map(quote).join(" ");
  return command.directory === undefined ? line : `cd ${quote(command.directory)} && ${line}`;
}
