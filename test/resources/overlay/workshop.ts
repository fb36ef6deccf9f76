import { mkdirSync, mkdtempSync, realpathSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OwnedRecord, ResourceId, ResourceKind, ResourceMap } from "../../../src/core/resource.ts";
import type { Action, Draft, Operation, Planner, StepOf } from "../../../src/core/step.ts";
import type { Host, Jobs } from "../../../src/host/ports.ts";
import { createClock } from "../../../src/host/real/clock.ts";
import { createFiles } from "../../../src/host/real/files.ts";
import { createProcesses } from "../../../src/host/real/processes.ts";
import { createStores } from "../../../src/host/real/stores.ts";
import { jobTable } from "../../../src/pack/jobs.ts";
import type {
  ApplyContext,
  Executor,
  ObserveContext,
  ObservedMap,
  Observer,
  Outcome,
} from "../../../src/resources/types.ts";

/** Thrown by an effect that a test kills at: what follows it never happens. */
export class Killed extends Error {}

/** A temporary directory, the real host in it, and one kind driven as a pass drives it: observe, plan, run, record. */
export interface Workshop {
  readonly directory: string;
  readonly host: Host;
  readonly records: Map<string, OwnedRecord>;
  readonly observing: ObserveContext;
  readonly plan: <K extends ResourceKind>(
    kind: Parts<K>,
    resource: ResourceMap[K],
    actions?: Record<string, Action>,
  ) => Promise<Draft>;
  readonly apply: <K extends ResourceKind>(kind: Parts<K>, resource: ResourceMap[K], options?: Run) => Promise<Applied>;
  /** Takes the directory away; refuses, with nothing removed, while something is mounted in it. */
  readonly close: () => void;
  readonly remove: <K extends ResourceKind>(kind: Parts<K>, id: ResourceId) => Promise<Applied>;
}

export interface Parts<K extends ResourceKind> {
  readonly observer: Observer<K>;
  readonly planner: Planner<K, ObservedMap[K]>;
  readonly executors: object;
}

interface Run {
  readonly actions?: Record<string, Action>;
  /** Name of an effect and whether the kill comes before or after it. */
  readonly kill?: readonly [string, "before" | "after"];
}

export interface Applied {
  readonly draft: Draft;
  readonly outcome: Outcome | undefined;
  readonly effects: readonly string[];
}

/** `mountNamespace`: where host mounts are made and seen; a test that mounts gives one of its own. */
export function openWorkshop(mountNamespace = "/proc/self/ns/mnt"): Workshop {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "rootloom-kind-")));
  mkdirSync(join(directory, "state"));
  mkdirSync(join(directory, "cache"));
  const host = createTestHost(mountNamespace);
  const records = new Map<string, OwnedRecord>();
  const observing: ObserveContext = {
    instance: "0123456789abcdef0123456789abcdef",
    state: join(directory, "state"),
    cache: join(directory, "cache"),
    limits: {
      paths: [directory],
      pools: [],
      volumeGroups: [],
      devices: [],
      publishHosts: [],
      maxDeletions: undefined,
      hostCommands: false,
      emulation: false,
      file: "",
    },
    host,
    signal: undefined,
    owned: (id) => records.get(id),
  };
  let runs = 0;
  const plan: Workshop["plan"] = async (kind, resource, actions = {}) => {
    const owned = records.get(resource.id);
    const observed = await kind.observer.observe(resource, owned, observing);
    return kind.planner.plan(resource, observed, owned, { actionOf: (id) => actions[id], adoptions: new Set() });
  };
  const run = async (parts: Parts<ResourceKind>, id: ResourceId, draft: Draft, options: Run): Promise<Applied> => {
    runs += 1;
    const effects: string[] = [];
    if (draft.operation === "keep" || draft.blocked) return { draft, outcome: undefined, effects };
    const executor = (parts.executors as Record<string, Executor<Operation>>)[draft.operation];
    if (executor === undefined) {
      records.delete(id);
      return { draft, outcome: undefined, effects };
    }
    const context = applying(observing, `20261121T000000Z-${String(runs).padStart(8, "0")}`, effects, options);
    const outcome = await executor({ ...draft, id } as unknown as StepOf<Operation>, context);
    if (outcome.record === undefined) records.delete(id);
    else records.set(id, outcome.record);
    return { draft, outcome, effects };
  };
  return {
    directory,
    host,
    records,
    observing,
    plan,
    close: () => host.files.removeTree(directory, statSync(directory).ino),
    apply: async (kind, resource, options = {}) =>
      run(kind as unknown as Parts<ResourceKind>, resource.id, await plan(kind, resource, options.actions), options),
    remove: async (kind, id) => {
      const record = records.get(id)!;
      const draft = kind.planner.planRemoval(record, await kind.observer.observeRemoved(record, observing));
      return run(kind as unknown as Parts<ResourceKind>, id, draft, {});
    },
  };
}

function applying(observing: ObserveContext, runId: string, effects: string[], options: Run): ApplyContext {
  return {
    ...observing,
    network: { offline: true, caFile: undefined },
    signal: new AbortController().signal,
    runId,
    revision: "c1",
    progress: () => undefined,
    log: () => undefined,
    effect: async (name, _details, body) => {
      effects.push(name);
      const [killed, when] = options.kill ?? [];
      if (killed === name && when === "before") throw new Killed(name);
      const result = await body();
      if (killed === name && when === "after") throw new Killed(name);
      return result;
    },
  };
}

/** The real machine, with jobs run in place. */
function createTestHost(mountNamespace: string): Host {
  const options = { mountNamespace };
  const files = createFiles(options);
  const clock = createClock();
  const jobs: Jobs = {
    width: 2,
    prepare: () => undefined,
    run: (job, input, { onProgress } = {}) =>
      jobTable[job](input as never, {
        files,
        progress: onProgress ?? (() => undefined),
        cancelled: () => false,
        now_ms: clock.now_ms,
      }) as never,
  };
  const unused = new Proxy(
    {},
    { get: (_, name) => () => Promise.reject(new Error(`${String(name)} is not used here`)) },
  );
  return {
    files,
    clock,
    jobs,
    processes: createProcesses(options),
    stores: createStores(),
    git: unused as Host["git"],
    events: unused as Host["events"],
  };
}
