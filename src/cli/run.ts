import type { Flags } from "../configuration.ts";
import type { Host } from "../host/ports.ts";
import type { HostOptions } from "../host/real/host.ts";
import type { Session } from "../pass/types.ts";
import type { CliContext } from "./command.ts";
import { printFailure } from "./failure.ts";
import { createOutput, type Stream } from "./output.ts";
import { type GlobalFlags, type Parsed, parseArguments } from "./program.ts";

/** The process as one command sees it. */
export interface Invocation {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly nodeVersion: string;
  readonly version: string;
  /** Another host than the real machine: tests give one that dies where they say. */
  readonly createHost?: (options: HostOptions) => Host;
}

/** argv -> command -> exit code. Nothing is thrown: what goes wrong is printed, with a hint. */
export async function run(invocation: Invocation): Promise<number> {
  const { argv, environment, stdout, stderr } = invocation;
  const color = environment.NO_COLOR === undefined && !argv.includes("--no-color");
  const output = createOutput(stdout, stderr, { color });
  let parsed: Parsed | undefined;
  try {
    parsed = await parseArguments(argv, { out: output.write, error: output.error }, invocation.version);
    if (parsed.type === "shown") return parsed.exitCode;
    const { flags } = parsed;
    const context: CliContext = {
      output,
      who: environment.SUDO_USER ?? environment.USER ?? environment.LOGNAME ?? "root",
      directory: invocation.directory,
      nodeVersion: invocation.nodeVersion,
      terminalType: environment.TERM ?? "dumb",
      journal: environment.JOURNAL_STREAM !== undefined,
      session: async (more) => (await sessionOpener(invocation, flags))(more),
      opener: () => sessionOpener(invocation, flags),
    };
    return await parsed.command.run(context, parsed.given);
  } catch (error) {
    return printFailure(error, output, isDebug(parsed, environment));
  }
}

async function sessionOpener(invocation: Invocation, flags: GlobalFlags): Promise<(more?: Flags) => Session> {
  const createHost = invocation.createHost ?? (await import("../host/real/host.ts")).createHost;
  const { readConfiguration } = await import("../configuration.ts");
  const { directory, environment } = invocation;
  return (more) => {
    const { files, processes } = createHost({});
    const input = { flags: { ...flags, ...more }, environment, directory, userId: processes.userId };
    const configuration = readConfiguration({ ...input, files });
    return { host: createHost({ mountNamespace: configuration.mountNamespace }), configuration };
  };
}

function isDebug(parsed: Parsed | undefined, environment: Invocation["environment"]): boolean {
  const level = (parsed?.type === "run" ? parsed.flags.logLevel : undefined) ?? environment.ROOTLOOM_LOG_LEVEL;
  return level === "debug" || level === "trace";
}
