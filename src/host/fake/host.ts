import type { JobTable } from "../jobs.ts";
import type { Clock, Files, Git, Host, Processes, Stores } from "../ports.ts";
import { createFakeClock } from "./clock.ts";
import { createFakeEvents, type FakeEvents } from "./events.ts";
import { type Call, Crash, type CrashKind, type FaultPlan } from "./faults.ts";
import { createFakeFiles } from "./files.ts";
import { createFakeGit } from "./git.ts";
import { createGuard, type Guard } from "./guard.ts";
import { createFakeJobs } from "./jobs.ts";
import { Machine, type MachineOptions } from "./machine.ts";
import { type CommandOptions, createMachineProcesses } from "./machine-processes.ts";
import { createOutside, type Outside } from "./outside.ts";
import type { FakeRepository } from "./repository.ts";
import { createFakeStores } from "./stores.ts";

export interface FakeHostOptions extends MachineOptions, CommandOptions {
  readonly faults?: FaultPlan;
  readonly watchdog_us?: number;
  /** Top of the checkout of `repository`: `/srv/config` unless told. */
  readonly repositoryPath?: string;
  /** Traces calls that only read, too. */
  readonly traceReads?: boolean;
  readonly loadJobs?: () => Promise<JobTable>;
}

/** A whole machine in memory, with the strings that a test pulls. */
export interface FakeHost extends Host {
  readonly seed: number;
  readonly outside: Outside;
  readonly repository: FakeRepository;
  /** Port calls of this host, oldest first: those that can change something, unless all are traced. */
  readonly calls: readonly Call[];
  readonly unknownCommands: readonly string[];
  readonly notifications: FakeEvents["notifications"];
  readonly hint: FakeEvents["hint"];
  readonly signal: FakeEvents["signal"];
  readonly watched: FakeEvents["watched"];
  /** False after a crash; every call then throws a Crash. */
  readonly isAlive: boolean;
  readonly advance: (duration_ms: number) => Promise<void>;
  /** Waits for work, moving time on whenever all that is left to do is wait. An hour at most unless told. */
  readonly runUntil: <T>(work: Promise<T>, limit_ms?: number) => Promise<T>;
  /** Lets everything run that can without time moving. */
  readonly settle: () => Promise<void>;
  readonly crash: (kind?: CrashKind) => void;
  /** A fresh host on what survived; a host that still lives is killed first. New options replace the old. */
  readonly restart: (options?: Partial<Omit<FakeHostOptions, "seed">>) => FakeHost;
  /** Another process of ours on the same machine, beside this one. */
  readonly beside: (options?: Partial<Omit<FakeHostOptions, "seed">>) => FakeHost;
}

const MUTATING_FILES = [
  ...["writeFile", "writeLink", "makeDirectory", "makeDirectories", "setAttributes", "rename", "removeFile"],
  ...["removeDirectory", "removeTree", "syncDirectory", "syncFilesystem", "openWriter", "copyFile"],
] as (keyof Files)[];
const HOUR_MS = 3_600_000;

/** @param options the seed decides randomness, and what survives a power loss. */
export function createFakeHost(options: FakeHostOptions): FakeHost {
  const machine = new Machine(options);
  machine.makeRepository(options.repositoryPath ?? "/srv/config", false);
  return startHost(machine, options, machine.nextPid());
}

function startHost(machine: Machine, options: FakeHostOptions, pid: number): FakeHost {
  const owner = { alive: true };
  const die = (kind: CrashKind): void => {
    if (!owner.alive) return;
    owner.alive = false;
    events.end();
    for (const [inode, holder] of machine.locks) if (holder.pid === pid) machine.locks.delete(inode);
    machine.crash(kind);
    machine.time.abandon(owner, new Crash(kind));
  };
  const guard = createGuard({
    faults: options.faults ?? {},
    isAlive: () => owner.alive,
    onCrash: die,
    onBusy: (change) => {
      machine.time.busy += change;
    },
    traceReads: options.traceReads ?? false,
  });
  const events = createFakeEvents(machine.listeners, options.watchdog_us);
  const ports = createPorts(machine, options, guard, owner, pid);
  return {
    ...ports,
    events: guard.wrap("events", events.port, ["notify", "listen", "connect"]),
    seed: options.seed,
    outside: createOutside(machine),
    repository: repositoryOf(machine, options),
    calls: guard.calls,
    unknownCommands: machine.unknownCommands,
    notifications: events.notifications,
    hint: events.hint,
    signal: events.signal,
    watched: events.watched,
    get isAlive() {
      return owner.alive;
    },
    advance: (duration_ms) => machine.time.advance(duration_ms),
    runUntil: (work, limit_ms = HOUR_MS) => machine.time.runUntil(work, limit_ms),
    settle: () => machine.time.settle(),
    crash: (kind = "power") => die(kind),
    restart: (changes = {}) => {
      die("kill");
      return startHost(machine, { ...options, ...changes }, machine.nextPid());
    },
    beside: (changes = {}) => startHost(machine, { ...options, ...changes }, machine.nextPid()),
  };
}

type Ports = Omit<Host, "events">;

function createPorts(machine: Machine, options: FakeHostOptions, guard: Guard, owner: object, pid: number): Ports {
  const { kernel, time } = machine;
  const files = wrapFiles(
    createFakeFiles({
      kernel,
      unique: () => machine.random.hex(8),
      point: (stage, path) => guard.point(`files/${stage}`, path),
    }),
    guard,
  );
  const processes = createMachineProcesses(machine, options, guard, owner, pid);
  const stores = createFakeStores({ kernel, locks: machine.locks, self: { pid, command: "rootloom" }, guard });
  const git = createFakeGit({
    kernel,
    repositories: machine.repositories,
    remotes: machine.remotes,
    makeRepository: (top, bare) => machine.makeRepository(top, bare),
  });
  const jobs = createFakeJobs({
    files,
    now_ms: () => time.now_ms,
    loadTable: options.loadJobs ?? loadJobTable,
  });
  return {
    files,
    processes: guard.wrap<Processes>("processes", processes, ["run"]),
    clock: guard.wrap<Clock>("clock", createFakeClock(time, owner, machine.random), []),
    git: guard.wrap<Git>("git", git, ["fetch"]),
    stores: guard.wrap<Stores>("stores", stores, ["open", "lock"]),
    jobs: guard.wrap("jobs", jobs, ["run"]),
  };
}

/** Trees and writers are ports of their own: each of their calls meets faults. */
function wrapFiles(files: Files, guard: Guard): Files {
  return guard.wrap<Files>(
    "files",
    {
      ...files,
      openTree: (path) =>
        guard.wrap("tree", files.openTree(path), [
          ...(["writeFile", "writeLink", "makeNode", "makeDirectory", "setAttributes"] as const),
          ...(["removeFile", "removeDirectory"] as const),
        ]),
      openWriter: (path, mode) =>
        guard.wrap("writer", files.openWriter(path, mode), ["write", "writeLater", "startWith", "sync", "close"]),
    },
    MUTATING_FILES,
  );
}

function repositoryOf(machine: Machine, options: FakeHostOptions): FakeRepository {
  const top = options.repositoryPath ?? "/srv/config";
  return machine.repositories.get(top) ?? machine.makeRepository(top, false);
}

async function loadJobTable(): Promise<JobTable> {
  const { jobTable } = await import("../../pack/jobs.ts");
  return jobTable;
}
