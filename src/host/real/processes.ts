import type { Readable } from "node:stream";
import type { Options } from "execa";
import type { Command, Finished, Processes } from "../ports.ts";
import { type Ended, ended, failed } from "./command-failure.ts";
import { isOwnNamespace } from "./namespace.ts";
import { Lines, Tail } from "./output.ts";
import { processUsers } from "./process-users.ts";
import { find, requireDirectory, requireTool, standardPath, withSystemDirectories } from "./tools.ts";

const kept_bytes = 4 * 1024 * 1024;
const shownLines = 20;
const defaultTimeout_ms = 60_000;
/** Between asking a group of processes to end and ending it. */
const grace_ms = 2_000;

export interface ProcessesOptions {
  readonly mountNamespace: string;
}

/** The process port. Commands are to be run from the main thread: the kernel ties a child's life to the thread that made it. */
export function createProcesses(options: ProcessesOptions): Processes {
  const userId = process.geteuid?.() ?? -1;
  return {
    run: (command) => run(command, wrapped(command, options.mountNamespace, userId === 0)),
    find,
    users: processUsers,
    userId,
    pid: process.pid,
  };
}

interface Wrapped {
  readonly words: readonly [file: string, ...values: string[]];
  /** To be started in; where another namespace is entered, the words themselves see to it. */
  readonly directory: string | undefined;
}

/** What is used of a process that execa started. */
interface Started extends PromiseLike<Ended> {
  readonly pid?: number | undefined;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
}

/**
 * The command behind what ties it to us. `setpriv` has the kernel kill the outermost process when we
 * die; as root, that one is the keeper of a process namespace, whose end kills every process in it,
 * daemons and grandchildren too. An ordinary user has only the first.
 */
function wrapped(command: Command, mountNamespace: string, isRoot: boolean): Wrapped {
  const entersHost = command.hostNamespace === true && !isOwnNamespace(mountNamespace);
  const words = ["--pdeathsig", "KILL", "--"];
  if (entersHost) words.push("nsenter", `--mount=${mountNamespace}`, "--");
  if (isRoot || command.privateNamespace === true) {
    words.push("unshare", "--pid", "--fork", "--kill-child");
    if (command.privateNamespace === true) words.push("--mount", "--propagation", "private");
    words.push("--");
  }
  // Entering a namespace leads to its top directory.
  if (entersHost && command.directory !== undefined) words.push("env", `--chdir=${command.directory}`, "--");
  return {
    words: ["setpriv", ...words, command.file, ...command.arguments],
    directory: entersHost ? undefined : command.directory,
  };
}

async function run(command: Command, { words, directory }: Wrapped): Promise<Finished> {
  if (isCancelled(command)) throw ended(command, "cancelled", []);
  for (const tool of new Set(["setpriv", "unshare", "nsenter", "env", command.file])) {
    if (words.includes(tool)) requireTool(tool);
  }
  requireDirectory(command.file, directory);
  const { execa } = await import("execa");
  const [file, ...values] = words;
  const child: Started = execa(file, values, settingsOf(command, directory));
  const output = collect(child, command);
  const ending = endEarly(child, command);
  const [result, refused] = await Promise.all([child, output.refused]);
  const why = ending.stop();
  output.end();
  if (refused !== undefined) throw refused.thrown;
  const finished = { exitCode: result.exitCode ?? -1, stdout: output.stdout(), stderr: output.stderr() };
  if (why !== undefined) throw ended(command, why, output.lastLines());
  if (result.exitCode !== undefined && (command.accept ?? [0]).includes(result.exitCode)) return finished;
  throw failed(command, result, output.lastLines());
}

function settingsOf(command: Command, directory: string | undefined): Options {
  const interactive = command.interactive === true;
  return {
    reject: false,
    buffer: false,
    extendEnv: false,
    cleanup: false,
    // A group of its own, to be ended as a whole; a shell needs the terminal's instead.
    detached: !interactive,
    env: environmentOf(command),
    stdout: interactive ? "inherit" : "pipe",
    stderr: interactive ? "inherit" : "pipe",
    ...inputOf(command, interactive),
    ...(directory === undefined ? {} : { cwd: directory }),
  };
}

function inputOf(
  { input, inputParts }: Command,
  interactive: boolean,
): { readonly stdin: "inherit" | "ignore" | AsyncGenerator<Uint8Array> } | { readonly input: string } {
  if (inputParts !== undefined) return { stdin: inputParts };
  return input === undefined ? { stdin: interactive ? "inherit" : "ignore" } : { input };
}

function environmentOf(command: Command): Record<string, string> {
  const { PATH = standardPath, HOME = "/root", TERM } = process.env;
  const terminal = command.interactive === true && TERM !== undefined ? { TERM } : {};
  return { PATH: withSystemDirectories(PATH), HOME, LANG: "C.UTF-8", ...terminal, ...command.environment };
}

function collect(child: Started, { onLine, onOutput }: Command) {
  const stdout = new Tail(kept_bytes);
  const stderr = new Tail(kept_bytes);
  const last: string[] = [];
  const note = (line: string): void => {
    if (line.trim() === "") return;
    last.push(line);
    if (last.length > shownLines) last.shift();
  };
  const heard = (line: string): void => {
    note(line);
    onLine?.(line);
  };
  const lines = [new Lines(heard), new Lines(heard)] as const;
  const refused = child.stdout === null || onOutput === undefined ? undefined : readParts(child.stdout, onOutput);
  if (refused === undefined) {
    child.stdout?.on("data", (part: Buffer) => {
      lines[0].add(part);
      if (onLine === undefined) stdout.add(part);
    });
  }
  child.stderr?.on("data", (part: Buffer) => {
    lines[1].add(part);
    stderr.add(part);
  });
  return {
    refused,
    end: () => {
      for (const each of lines) each.end();
    },
    stdout: () => stdout.text(),
    stderr: () => stderr.text(),
    lastLines: (): readonly string[] => last,
  };
}

/** What `onOutput` throws ends the reading, and by its closed pipe the child: it is told when that is gone. */
async function readParts(
  stream: Readable,
  onOutput: NonNullable<Command["onOutput"]>,
): Promise<{ readonly thrown: unknown } | undefined> {
  try {
    for await (const part of stream) await onOutput(part as Buffer);
    return undefined;
  } catch (thrown) {
    // A stream that was cut off by the end of its process is told by that end.
    return stream.errored === thrown ? undefined : { thrown };
  }
}

/** Ends the whole group on timeout and on `signal`: asked first, killed after a grace. `stop` says why, if it did. */
function endEarly(child: Started, command: Command): { readonly stop: () => string | undefined } {
  let why: string | undefined;
  const timers: NodeJS.Timeout[] = [];
  const later = (delay_ms: number, act: () => void): void => {
    timers.push(setTimeout(act, delay_ms));
  };
  const end = (reason: string): void => {
    if (why !== undefined) return;
    why = reason;
    killGroup(child, command, "SIGTERM");
    later(grace_ms, () => killGroup(child, command, "SIGKILL"));
    // What left the group and keeps the pipes open is not waited for.
    later(2 * grace_ms, () => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    });
  };
  const onAbort = (): void => end("cancelled");
  const limit_ms = command.timeout_ms ?? (command.interactive === true ? 0 : defaultTimeout_ms);
  if (limit_ms > 0) later(limit_ms, () => end(`not done within ${limit_ms} ms`));
  command.signal?.addEventListener("abort", onAbort, { once: true });
  if (isCancelled(command)) onAbort();
  return {
    stop: () => {
      for (const timer of timers) clearTimeout(timer);
      command.signal?.removeEventListener("abort", onAbort);
      return why;
    },
  };
}

function killGroup(child: Started, command: Command, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(command.interactive === true ? child.pid : -child.pid, signal);
  } catch {
    // It ended by itself just now.
  }
}

function isCancelled(command: Command): boolean {
  return command.signal?.aborted === true;
}
