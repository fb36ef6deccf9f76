import { lstatSync } from "node:fs";
import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { KeptCommand } from "./kept-process.ts";
import { createProcesses } from "./processes.ts";
import { requireTool, standardPath, withSystemDirectories } from "./tools.ts";

/** One run of git. Paths and contents are bytes: output is never decoded here. */
export interface GitCommand {
  readonly directory: string;
  readonly arguments: readonly string[];
  readonly input?: string;
  /** Exit codes that are an answer; `[0]` unless told. */
  readonly accept?: readonly number[];
  /** Runs as the owner of this path where we are root and it is somebody else's. */
  readonly asOwnerOf?: string;
  /** Transports it may use, as GIT_ALLOW_PROTOCOL; none unless told. */
  readonly protocols?: string;
  /** Set on the host, for transports: GIT_SSH_COMMAND, proxies. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface GitAnswer {
  readonly exitCode: number;
  readonly output: Buffer;
}

/** Said by git itself; the caller tells what it was for. */
export interface GitFailure {
  readonly exitCode: number;
  readonly lastLine: string;
}

/**
 * Settings that a repository's own configuration must not decide. It may be written by somebody else, and
 * we may be root: nothing that it names is run (hooks, a file system monitor), and no transport is opened by a read.
 */
const SETTINGS = [
  "safe.directory=*",
  "core.fsmonitor=false",
  "core.hooksPath=/dev/null",
  "core.excludesFile=/dev/null",
  "core.attributesFile=/dev/null",
  "core.quotePath=false",
  "core.untrackedCache=false",
  "gc.autoDetach=false",
];

/** Runs git through simple-git, isolated from the user's and the system's configuration. */
export async function runGit(command: GitCommand): Promise<GitAnswer> {
  const answer = await tryGit(command);
  if ("output" in answer) return answer;
  throw gitError(command, answer);
}

/** The words of a git that answers what it is asked on its standard input, until that ends. */
export function catFile(directory: string): KeptCommand {
  const settings = SETTINGS.flatMap((setting) => ["-c", setting]);
  const words = [...settings, ...CAT_FILE];
  return { file: "git", arguments: words, directory, environment: gitEnvironment({ directory, arguments: CAT_FILE }) };
}

/** What `catFile` started has ended, with this said; nothing where it never ran. */
export function catFileError(directory: string, said: string, exitCode: number): RootloomError {
  const lastLine = tellingLine(said) || "it ended without an answer";
  return gitError({ directory, arguments: CAT_FILE }, { exitCode, lastLine });
}

function gitError(command: GitCommand, { exitCode, lastLine }: GitFailure): RootloomError {
  const { directory } = command;
  const started = exitCode >= 0;
  return new RootloomError(`cannot run git ${command.arguments[0]} in ${directory}: ${lastLine}`, {
    retry: started ? "terminal" : "transient",
    hint: started
      ? `check the repository, which must be a full clone: git -C ${directory} fsck`
      : `check that git is installed, and ${directory} there`,
    details: [`git -C ${directory} ${command.arguments.join(" ")}`],
  });
}

/** As `runGit`, with a failure as a value. */
export async function tryGit(command: GitCommand): Promise<GitAnswer | GitFailure> {
  // Loaded late: it takes 20 ms, which commands without a repository need not pay.
  const { simpleGit } = await import("simple-git");
  for (const tool of ["git", "setpriv"]) requireTool(tool);
  const environment = gitEnvironment(command);
  const accept = command.accept ?? [0];
  const chunks: Buffer[] = [];
  let exitCode = 0;
  let failure: GitFailure | undefined;
  try {
    const git = simpleGit({
      baseDir: command.directory,
      config: SETTINGS,
      input: () => command.input,
      allowEnvironment: Object.keys(environment),
      unsafe: ALLOWED,
      completion: { onClose: true, onExit: false },
      timeout: { block: SILENCE_MS },
      binary: TIED,
      ...ownerOptions(command.asOwnerOf),
      // Asked after every run. The message that simple-git would make holds standard output too: contents of files.
      errors: (error, result) => {
        exitCode = result.exitCode ?? -1;
        if (accept.includes(exitCode)) return undefined;
        const said = Buffer.concat(result.stdErr).toString();
        failure = {
          exitCode,
          lastLine: tellingLine(said) || (error instanceof Error ? error.message : `exit ${exitCode}`),
        };
        return Buffer.from(failure.lastLine);
      },
    });
    git.env(environment).outputHandler((_file, standardOutput) => {
      standardOutput.on("data", (chunk: Buffer) => chunks.push(chunk));
    });
    // The buffered form, so that simple-git does not decode contents.
    if (command.arguments[0] === "cat-file") await git.binaryCatFile(command.arguments.slice(1));
    else await git.raw([...command.arguments]);
  } catch (thrown) {
    return failure ?? { exitCode: -1, lastLine: thrown instanceof Error ? thrown.message : String(thrown) };
  }
  return { exitCode, output: Buffer.concat(chunks) };
}

/**
 * Runs a git that talks to a remote, writes, and starts others (transports, unpackers), all of which die with us: through
 * the process port, since simple-git can tie only git itself. Its progress is what shows that it is alive.
 */
export async function tryTransfer(command: GitCommand, silence_ms: number): Promise<GitFailure | undefined> {
  const silent = new AbortController();
  const timer = setTimeout(() => silent.abort(), silence_ms);
  try {
    const { exitCode, stderr } = await createProcesses({ mountNamespace: "/proc/self/ns/mnt" }).run({
      file: "git",
      arguments: [...SETTINGS.flatMap((setting) => ["-c", setting]), ...command.arguments],
      directory: command.directory,
      environment: gitEnvironment(command),
      accept: ANY_EXIT_CODE,
      timeout_ms: 0,
      signal: silent.signal,
      onLine: () => timer.refresh(),
    });
    return exitCode === 0 ? undefined : { exitCode, lastLine: tellingLine(stderr) || `exit ${exitCode}` };
  } catch (thrown) {
    if (silent.signal.aborted) return { exitCode: -1, lastLine: `nothing was heard for ${silence_ms / 1000} s` };
    return { exitCode: -1, lastLine: asRootloomError(thrown).message };
  } finally {
    clearTimeout(timer);
  }
}

const CAT_FILE = ["cat-file", "--batch"];
const ANY_EXIT_CODE = Array.from({ length: 256 }, (_, code) => code);
/** Without any output: then it is ended. */
const SILENCE_MS = 60_000;
/**
 * What simple-git starts: a git that the kernel kills when we die. It takes two words at most, of which `env` makes as
 * many as are needed; each of them becomes the next, so that the process is git in the end.
 */
const TIED: [string, string] = ["env", "-Ssetpriv --pdeathsig KILL -- git"];

/** simple-git refuses these unless told; here they only switch things off, or come from the host's own settings. */
const ALLOWED = {
  allowUnsafeCustomBinary: true,
  allowUnsafeConfigPaths: true,
  allowUnsafeFsMonitor: true,
  allowUnsafeHooksPath: true,
  allowUnsafeSshCommand: true,
  allowUnsafeAskPass: true,
  allowUnsafeConfigEnvCount: true,
  allowUnsafeCredentialHelper: true,
};

function gitEnvironment(command: GitCommand): Record<string, string> {
  return {
    PATH: withSystemDirectories(process.env.PATH ?? standardPath),
    HOME: process.env.HOME ?? "/",
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_NO_REPLACE_OBJECTS: "1",
    // Reading a status refreshes the index in memory only.
    GIT_OPTIONAL_LOCKS: "0",
    GIT_TERMINAL_PROMPT: "0",
    // A partial clone would fetch what it misses, by whatever its configuration names.
    GIT_ALLOW_PROTOCOL: command.protocols ?? "none",
    ...command.environment,
  };
}

/**
 * Reading a status runs the clean filters of the repository's configuration. Where that belongs to another
 * user and we are root, git runs as that user, who gains nothing by it.
 */
function ownerOptions(path: string | undefined): { readonly spawnOptions?: { uid: number; gid: number } } {
  if (path === undefined || process.geteuid?.() !== 0) return {};
  const { uid, gid } = lstatSync(path);
  return uid === 0 ? {} : { spawnOptions: { uid, gid } };
}

/** git's own first complaint; what follows it is general advice. */
function tellingLine(said: string): string {
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  const line = lines.find((candidate) => /^(fatal|error|Error): /.test(candidate)) ?? lines.at(-1) ?? "";
  return line.replace(/^(fatal|error|Error): /, "");
}
