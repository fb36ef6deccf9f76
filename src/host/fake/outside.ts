import type { Command, Files, Finished } from "../ports.ts";
import { createFakeFiles } from "./files.ts";
import { createFollower, type Follower } from "./follow.ts";
import { Kernel } from "./kernel.ts";
import type { Machine } from "./machine.ts";
import { createMachineProcesses } from "./machine-processes.ts";
import type { ForeignProcess } from "./processes.ts";
import type { FakeRepository } from "./repository.ts";

/** A foreign actor's hands: they meet no faults, are not traced, and stay when the host dies. */
export interface Outside {
  readonly files: Files;
  /** Tells cheaply whether what stands at some paths has changed. */
  readonly follower: () => Follower;
  readonly writeFile: (path: string, content: string | Uint8Array, mode?: number) => void;
  readonly run: (file: string, ...values: readonly string[]) => Promise<Finished>;
  /** Processes of others; push and splice as you like. */
  readonly processes: ForeignProcess[];
  /** Another process takes a lock; the answer lets it go. */
  readonly holdLock: (path: string, holder: { readonly pid: number; readonly command: string }) => () => void;
  readonly remotes: Map<string, FakeRepository>;
  readonly makeRepository: (top: string, bare: boolean) => FakeRepository;
  /** Sets how many bytes are left on the disk. */
  readonly leaveSpace: (free_bytes: number) => void;
  /** Sets the wall clock, forwards or backwards. */
  readonly jumpClock: (change_ms: number) => void;
}

export function createOutside(machine: Machine): Outside {
  const point = (): void => undefined;
  const { kernel, time } = machine;
  const files = createFakeFiles({ kernel, unique: () => machine.random.hex(8), point });
  const processes = createMachineProcesses(machine, {}, { point }, {}, 1);
  return {
    files,
    follower: () => createFollower(machine.table),
    writeFile: (path, content, mode) => machine.writeFile(path, content, mode),
    run: async (file, ...values) => {
      time.busy += 1;
      try {
        const command: Command = { file, arguments: values };
        return await processes.run(command);
      } finally {
        time.busy -= 1;
      }
    },
    processes: machine.processes,
    holdLock: (path, holder) => {
      if (kernel.look(path, true) === undefined) machine.writeFile(path, "", 0o600);
      const { inode } = new Kernel(machine.table).get(path, true);
      machine.locks.set(inode, holder);
      return () => void machine.locks.delete(inode);
    },
    remotes: machine.remotes,
    makeRepository: (top, bare) => machine.makeRepository(top, bare),
    leaveSpace: (free_bytes) => {
      machine.disk.capacity_bytes = machine.disk.used_bytes + free_bytes;
    },
    jumpClock: (change_ms) => {
      time.jumped_ms += change_ms;
    },
  };
}
