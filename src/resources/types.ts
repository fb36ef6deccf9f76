import type { Json } from "../core/digest.ts";
import type { EffectName } from "../core/effect.ts";
import type { OwnedRecord, ResourceKind, ResourceMap } from "../core/resource.ts";
import type { Operation, Planner, StepOf } from "../core/step.ts";
import type { Host } from "../host/ports.ts";
import type { ObservedArtifact } from "./artifact/observe.ts";
import type { ObservedEnvironment } from "./environment/observe.ts";
import type { ObservedKernel } from "./kernel/observe.ts";
import type { ObservedLink } from "./link/observe.ts";
import type { ObservedMount } from "./mount/observe.ts";
import type { ObservedOverlay } from "./overlay/observe.ts";
import type { ObservedProvision } from "./provision/observe.ts";
import type { ObservedPublish } from "./publish/observe.ts";
import type { Sights } from "./sights.ts";
import type { SpaceLedger } from "./space.ts";
import type { ObservedTree } from "./tree/observe.ts";
import type { ObservedVolume } from "./volume/observe.ts";

/** What `observe` says of each kind: plain data, serialisable, part of a step's digest. */
export interface ObservedMap {
  readonly volume: ObservedVolume;
  readonly tree: ObservedTree;
  readonly overlay: ObservedOverlay;
  readonly mount: ObservedMount;
  readonly link: ObservedLink;
  readonly environment: ObservedEnvironment;
  readonly provision: ObservedProvision;
  readonly artifact: ObservedArtifact;
  readonly kernel: ObservedKernel;
  readonly publish: ObservedPublish;
}

/** Paths and identity that every kind needs. */
export interface Places {
  /** Id of this installation, 32 hex digits; markers carry it. */
  readonly instance: string;
  readonly state: string;
  readonly cache: string;
  /** From the limits file; undefined where there is none: only the state directory is allowed. */
  readonly limits: Limits;
}

/** What this host says of fetching; the commit can only forbid it too. */
export interface Network {
  /** Nothing is fetched; only what the cache has is used. */
  readonly offline: boolean;
  /** Absolute path of the certificates that a server may prove its name by; undefined: the system's own. */
  readonly caFile: string | undefined;
}

/** `/etc/rootloom/limits.yaml`, root-owned. */
export interface Limits {
  /** Absolute path prefixes; the state directory is always one of them. */
  readonly paths: readonly string[];
  readonly pools: readonly string[];
  readonly volumeGroups: readonly string[];
  readonly devices: readonly string[];
  /** Machines that images may be published to, by the name that is declared. */
  readonly publishHosts: readonly string[];
  readonly maxDeletions: number | undefined;
  readonly hostCommands: boolean;
  /** Whether qemu-user may be registered with the kernel, for roots of foreign architectures. */
  readonly emulation: boolean;
  /** File the limits were read from, for messages; empty where there is none. */
  readonly file: string;
}

export interface ObserveContext extends Places {
  readonly host: Host;
  readonly signal: AbortSignal | undefined;
  /** Whether this host lets anything be fetched or sent; left out: yes. */
  readonly network?: Network | undefined;
  /** Another record of this store, such as the tree's for an overlay. */
  readonly owned: (id: string) => OwnedRecord | undefined;
  /** Trees as this pass sees them; without it everybody looks for himself. */
  readonly sights?: Sights | undefined;
}

/** Reads the host; writes nothing but caches. */
export interface Observer<K extends ResourceKind> {
  readonly observe: (
    resource: ResourceMap[K],
    owned: OwnedRecord | undefined,
    context: ObserveContext,
  ) => Promise<ObservedMap[K]>;
  /** For a record whose declaration is gone. */
  readonly observeRemoved: (record: OwnedRecord, context: ObserveContext) => Promise<ObservedMap[K]>;
}

export interface ApplyContext extends Places {
  readonly host: Host;
  /** Room that the steps of this pass hold; left out: the work is alone. */
  readonly space?: SpaceLedger | undefined;
  readonly network: Network;
  readonly signal: AbortSignal;
  readonly runId: string;
  readonly revision: string;
  readonly owned: (id: string) => OwnedRecord | undefined;
  /**
   * Journals one effect: the intent durably before it, the outcome after it. A kill between the two is
   * found by the next start. `name` is stable and one of the list in `core/effect.ts`: tests enumerate the points.
   */
  readonly effect: <T>(
    name: EffectName,
    details: { readonly [key: string]: Json },
    run: () => T | Promise<T>,
  ) => Promise<T>;
  /** True when a newer commit waits: what has safe points of its own asks at each. Left out: nobody waits. */
  readonly superseded?: () => boolean;
  /** Trees as this pass saw them before its first step; only where no step of it changes trees. */
  readonly sights?: Sights | undefined;
  /** How far a step is: `done` of `total`, in bytes where `unit` says so. */
  readonly progress: (message: string, done?: number, total?: number, unit?: "bytes") => void;
  readonly log: (message: string, fields?: { readonly [key: string]: Json }) => void;
}

/** What an executor leaves: the record to keep (`undefined`: the resource is no longer ours), and lines for the report. */
export interface Outcome {
  readonly record: OwnedRecord | undefined;
  /** Completes "the object has been ...": `created`, `packed as generation 3f2a`. */
  readonly result: string;
  readonly notes?: readonly string[];
}

export type Executor<O extends Operation> = (step: StepOf<O>, context: ApplyContext) => Promise<Outcome>;

/** One entry a journal record that was left open by a kill; the kind that wrote it says what to do. */
export interface OpenEffect {
  readonly stepId: string;
  readonly operation: Operation;
  readonly effect: string;
  readonly details: { readonly [key: string]: Json };
  readonly runId: string;
}

export type Planners = { readonly [K in ResourceKind]: Planner<K, ObservedMap[K]> };
export type Observers = { readonly [K in ResourceKind]: () => Promise<Observer<K>> };
/** Every operation but `keep`, which has nothing to do. */
export type Executors = { readonly [O in Exclude<Operation, "keep">]: Executor<O> };
