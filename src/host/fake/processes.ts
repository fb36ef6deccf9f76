import { RootloomError } from "../../core/error.ts";
import type { Command, Finished, Processes } from "../ports.ts";
import type { VirtualTime } from "./clock.ts";
import { ErrnoError } from "./errno.ts";
import { Crash } from "./faults.ts";
import type { FileSystem, FileSystemOptions } from "./file-system.ts";
import { encode, Kernel } from "./kernel.ts";
import type { Loops } from "./loops.ts";
import type { MountTable } from "./mount-table.ts";

/** A process of somebody else, with the paths that it holds open. */
export interface ForeignProcess {
  readonly pid: number;
  readonly command: string;
  readonly uses: readonly string[];
}

/** A command while it runs: what it was given and the machine as it sees it. */
export interface Invocation {
  readonly name: string;
  readonly arguments: readonly string[];
  readonly command: Command;
  /** Files and mounts of the namespace that it runs in. */
  readonly kernel: Kernel;
  readonly processes: readonly ForeignProcess[];
  /** A moment at which a fault may strike. */
  readonly point: (stage: string, path: string) => void;
  readonly makeFileSystem: (options: Pick<FileSystemOptions, "type" | "capacity_bytes" | "uuid">) => FileSystem;
  readonly loops: Loops;
  /** 32 hexadecimal digits, each time others. */
  readonly unique: () => string;
  /** Runs another command in the same place. */
  readonly start: (file: string, values: readonly string[], kernel?: Kernel) => Promise<Answer>;
}

/** What it ends with: exit code 0 and no output unless told. */
export type Answer = { readonly exitCode?: number; readonly stdout?: string; readonly stderr?: string };

/** One command of the machine. Throw an ErrnoError for a failed system call: exit 1 with its text. */
export interface CommandEmulation {
  readonly name: string;
  readonly run: (invocation: Invocation) => Answer | Promise<Answer>;
}

export interface ProcessContext {
  readonly table: MountTable;
  readonly time: VirtualTime;
  readonly owner: object;
  readonly self: { readonly pid: number; readonly userId: number };
  readonly commands: ReadonlyMap<string, CommandEmulation>;
  /** Virtual milliseconds that a command takes, by name; none unless told. */
  readonly durations_ms: Readonly<Record<string, number>>;
  /** Asked of a command that runs while we are killed: true when it still gets its work done. */
  readonly outlives: (name: string) => boolean;
  /** Told when a command meets its time limit, or outlives us. */
  readonly onCommand: (name: string, what: "late" | "outlived a kill") => void;
  readonly processes: ForeignProcess[];
  /** Commands that were asked for and are not emulated. */
  readonly unknown: string[];
  readonly point: (stage: string, path: string) => void;
  readonly makeFileSystem: Invocation["makeFileSystem"];
  readonly loops: Loops;
  readonly unique: () => string;
}

/** The process port: a typed table of commands, each acting on the machine in memory. */
export function createFakeProcesses(context: ProcessContext): Processes {
  return {
    run: (command) => run(context, command),
    find: (tool) => (context.commands.has(tool) ? `/usr/bin/${tool}` : undefined),
    users: (path) =>
      context.processes
        .filter(({ uses }) => uses.some((used) => used === path || used.startsWith(`${path}/`)))
        .map(({ pid, command }) => ({ pid, command })),
    userId: context.self.userId,
    pid: context.self.pid,
  };
}

async function run(context: ProcessContext, command: Command): Promise<Finished> {
  const table = command.privateNamespace === true ? context.table.copy() : context.table;
  const finished = await execute(context, command, new Kernel(table));
  // What was mounted in a namespace of its own went with it.
  if (command.privateNamespace === true) context.loops.sweep(context.table);
  if (!(command.accept ?? [0]).includes(finished.exitCode)) throw failure(command, finished);
  if (command.onLine === undefined) return finished;
  const lines = finished.stdout.replace(/\n$/, "").split("\n");
  for (const line of finished.stdout === "" ? [] : lines) command.onLine(line);
  return { ...finished, stdout: "" };
}

async function execute(context: ProcessContext, command: Command, kernel: Kernel): Promise<Finished> {
  const name = command.file.slice(command.file.lastIndexOf("/") + 1);
  const emulation = context.commands.get(name);
  if (emulation === undefined) {
    context.unknown.push([command.file, ...command.arguments].join(" "));
    throw new RootloomError(`cannot run ${command.file}: the fake machine has no such command`, {
      hint: `register a CommandEmulation for ${name}, or ask rootloom doctor what is missing`,
    });
  }
  if (command.directory !== undefined) kernel.directory(encode(command.directory));
  let isOrphan = false;
  try {
    await takeTime(context, command, name);
  } catch (thrown) {
    isOrphan = thrown instanceof Crash && thrown.kind === "kill" && context.outlives(name);
    if (!isOrphan) throw thrown;
    context.onCommand(name, "outlived a kill");
  }
  const invocation: Invocation = {
    name,
    arguments: command.arguments,
    command,
    kernel,
    processes: context.processes,
    point: (stage, path) => {
      if (!isOrphan) context.point(`processes.run/${name}/${stage}`, path);
    },
    makeFileSystem: context.makeFileSystem,
    loops: context.loops,
    unique: context.unique,
    start: (file, values, other) => execute(context, { ...command, file, arguments: values }, other ?? kernel),
  };
  try {
    const { exitCode = 0, stdout = "", stderr = "" } = await emulation.run(invocation);
    return { exitCode, stdout, stderr };
  } catch (thrown) {
    if (thrown instanceof RootloomError && thrown.condition === "NotEmulated") context.unknown.push(pasted(command));
    if (!(thrown instanceof ErrnoError)) throw thrown;
    return { exitCode: 1, stdout: "", stderr: `${name}: ${thrown.message}\n` };
  }
}

async function takeTime(context: ProcessContext, command: Command, name: string): Promise<void> {
  if (isCancelled(command)) throw ended(command, "cancelled");
  const duration_ms = context.durations_ms[name] ?? 0;
  if (duration_ms === 0) return;
  const limit_ms = command.timeout_ms ?? 60_000;
  // While it only waits, time may move.
  context.time.busy -= 1;
  try {
    const isLate = limit_ms > 0 && duration_ms > limit_ms;
    await context.time.sleep(context.owner, isLate ? limit_ms : duration_ms, command.signal);
    if (isLate) context.onCommand(name, "late");
    if (isLate) throw ended(command, `not done within ${limit_ms} ms`);
  } catch (thrown) {
    throw isCancelled(command) ? ended(command, "cancelled") : thrown;
  } finally {
    context.time.busy += 1;
  }
}

function isCancelled(command: Command): boolean {
  return command.signal?.aborted === true;
}

function ended(command: Command, why: string): RootloomError {
  return new RootloomError(`cannot run ${command.file}: ${why}`, { retry: "transient", details: [pasted(command)] });
}

function failure(command: Command, finished: Finished): RootloomError {
  const lines = `${finished.stdout}${finished.stderr}`.trimEnd().split("\n");
  return new RootloomError(`cannot run ${command.file}: exit ${finished.exitCode}: ${lines.at(-1) ?? ""}`, {
    details: [pasted(command), ...lines.slice(-20)],
  });
}

function pasted(command: Command): string {
  const quote = (word: string): string => (/^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
  return [command.file, ...command.arguments].map(quote).join(" ");
}

/** Splits arguments into options and the rest; `valued` names the options that take the next word. */
export function parseArguments(
  values: readonly string[],
  valued: readonly string[],
): { readonly options: ReadonlyMap<string, readonly string[]>; readonly rest: readonly string[] } {
  const options = new Map<string, string[]>();
  const rest: string[] = [];
  const add = (name: string, value: string): void => {
    options.set(name, [...(options.get(name) ?? []), value]);
  };
  for (let index = 0; index < values.length; index += 1) {
    const word = values[index] ?? "";
    if (word === "--") {
      rest.push(...values.slice(index + 1));
      break;
    }
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    if (equals > 0) add(word.slice(0, equals), word.slice(equals + 1));
    else if (!word.startsWith("-") || word === "-") rest.push(word);
    else if (valued.includes(word)) add(word, values[++index] ?? "");
    else if (/^-[a-zA-Z]{2,}$/.test(word)) {
      const letters = [...word.slice(1)];
      for (const [position, letter] of letters.entries()) {
        const isLast = position === letters.length - 1;
        add(`-${letter}`, isLast && valued.includes(`-${letter}`) ? (values[++index] ?? "") : "");
      }
    } else add(word, "");
  }
  return { options, rest };
}
