import type { Host } from "../ports.ts";
import { createClock } from "./clock.ts";
import { createEvents } from "./events.ts";
import { createFiles } from "./files.ts";
import { createGit } from "./git.ts";
import { createJobs } from "./jobs.ts";
import { defaultMountNamespace } from "./namespace.ts";
import { createProcesses } from "./processes.ts";
import { createStores } from "./stores.ts";
import { returnMemoryAtOnce } from "./system-calls.ts";

export interface HostOptions {
  /** File of the mount namespace that host mounts are made and seen in; that of process 1 unless told. */
  readonly mountNamespace?: string;
}

/** The real machine. Libraries that take long to load are loaded at their first use. */
export function createHost(options: HostOptions = {}): Host {
  const { mountNamespace = defaultMountNamespace } = options;
  returnMemoryAtOnce();
  return {
    processes: createProcesses({ mountNamespace }),
    files: createFiles({ mountNamespace }),
    clock: createClock(),
    git: createGit(),
    stores: createStores(),
    events: createEvents(),
    jobs: createJobs({ mountNamespace }),
  };
}
