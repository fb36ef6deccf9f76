import type { Processes } from "../ports.ts";
import { archiveCommands } from "./commands/archive.ts";
import { basicCommands } from "./commands/basic.ts";
import { deviceCommands } from "./commands/devices.ts";
import { mountCommands } from "./commands/mount.ts";
import type { Guard } from "./guard.ts";
import type { Machine } from "./machine.ts";
import { type CommandEmulation, createFakeProcesses } from "./processes.ts";

export interface CommandOptions {
  /** Beside the usual ones; the same name replaces one. */
  readonly commands?: readonly CommandEmulation[];
  /** Tools that are not installed. */
  readonly missingTools?: readonly string[];
  /** Virtual milliseconds a command takes, by name. */
  readonly durations_ms?: Readonly<Record<string, number>>;
  /** 0 unless told. */
  readonly userId?: number;
  /** Asked of a command that runs while we are killed: true when it still gets its work done. */
  readonly outlives?: (name: string) => boolean;
  /** Told when a command meets its time limit, or outlives us. */
  readonly onCommand?: (name: string, what: "late" | "outlived a kill") => void;
}

/** The process port with the usual commands and those that a test adds. */
export function createMachineProcesses(
  machine: Machine,
  options: CommandOptions,
  guard: Pick<Guard, "point">,
  owner: object,
  pid: number,
): Processes {
  const known = [
    ...basicCommands,
    ...mountCommands,
    ...archiveCommands,
    ...deviceCommands,
    ...(options.commands ?? []),
  ];
  const commands = new Map(known.map((command) => [command.name, command]));
  for (const tool of options.missingTools ?? []) commands.delete(tool);
  return createFakeProcesses({
    table: machine.table,
    time: machine.time,
    owner,
    self: { pid, userId: options.userId ?? 0 },
    commands,
    durations_ms: options.durations_ms ?? {},
    outlives: options.outlives ?? (() => false),
    onCommand: options.onCommand ?? (() => undefined),
    processes: machine.processes,
    unknown: machine.unknownCommands,
    point: guard.point,
    makeFileSystem: (wanted) => machine.makeFileSystem(wanted),
    loops: machine.loops,
    unique: () => machine.random.hex(16),
  });
}
