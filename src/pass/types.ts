import type { DesiredGraph } from "../core/resource.ts";
import type { Plan, Step } from "../core/step.ts";
import type { Problem } from "../documents/types.ts";
import type { Host } from "../host/ports.ts";
import type { Limits, Network } from "../resources/types.ts";
import type { SourceOptions } from "../source/types.ts";
import type { Condition } from "../state/types.ts";

/** Where everything is: flags, then `/etc/rootloom/rootloom.env`, then defaults. All paths absolute. */
export interface Configuration {
  readonly state: string;
  readonly cache: string;
  readonly source: SourceOptions;
  readonly limits: Limits;
  /** Left out: this host fetches what it needs, and trusts the system's certificates. */
  readonly network?: Network;
  /** File of the mount namespace that host mounts are made in. */
  readonly mountNamespace: string;
  readonly logLevel: string;
  /** The host's own word on how often the daemon looks again; undefined: the Host document decides. */
  readonly interval_s?: number | undefined;
}

export interface StepOutcome {
  readonly step: Step;
  /** done: completed; failed: the error is set; skipped: blocked or a dependency is not there; interrupted: a signal. */
  readonly status: "done" | "kept" | "failed" | "skipped" | "interrupted";
  /** Completes "the object has been ...". */
  readonly result: string;
  readonly notes: readonly string[];
  readonly error:
    | {
        readonly message: string;
        readonly hint: string;
        readonly retry: string;
        readonly details: readonly string[];
        readonly condition?: string | undefined;
      }
    | undefined;
  readonly duration_ms: number;
}

/** One pass, whole: what every report format is made from. Plain data. */
export interface PassResult {
  readonly runId: string;
  readonly trigger: string;
  readonly mode: "plan" | "apply";
  readonly revision: string;
  readonly subject: string;
  readonly author: string;
  readonly treeHash: string;
  readonly uncommitted: readonly string[];
  /** What a person should know of the pass as a whole: a store that was kept aside, a fetch that failed. */
  readonly notes: readonly string[];
  /** Of documents: nothing is planned when there are any. */
  readonly documentProblems: readonly Problem[];
  readonly graph: DesiredGraph;
  readonly plan: Plan;
  /** Empty for mode plan. */
  readonly outcomes: readonly StepOutcome[];
  readonly conditions: readonly Condition[];
  readonly artifacts: readonly {
    readonly id: string;
    readonly path: string;
    readonly generation: string;
    readonly sha256: string;
    readonly size_bytes: number;
  }[];
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly duration_ms: number;
  /** converged: nothing is left to do; failed: a step failed; waiting: something is blocked; invalid: documents; interrupted. */
  readonly result: "converged" | "failed" | "waiting" | "invalid" | "interrupted";
}

/** Told while an apply runs; the CLI prints them as JSON lines or a progress tree. */
export type PassEvent =
  | {
      readonly type: "apply_start";
      readonly runId: string;
      readonly revision: string;
      readonly id: string;
      readonly action: string;
      readonly reason: string;
    }
  | {
      readonly type: "apply_progress";
      readonly id: string;
      readonly message: string;
      readonly done: number;
      readonly total: number;
      readonly unit?: "bytes";
    }
  | { readonly type: "apply_complete"; readonly id: string; readonly result: string; readonly duration_ms: number }
  | {
      readonly type: "apply_errored";
      readonly id: string;
      readonly message: string;
      readonly hint: string;
      readonly retry: string;
    }
  | { readonly type: "change_summary"; readonly result: string; readonly summary: Readonly<Record<string, number>> };

export interface PassRequest {
  /** What woke the pass: start, commit, timer, trigger, signal, command. */
  readonly trigger: string;
  readonly mode: "plan" | "apply";
  /** `--yes`: approves what the plan destroys or replaces. */
  readonly approveAll: boolean;
  /** Refuses when the plan is not this one. */
  readonly planDigest: string | undefined;
  /** Tries stalled steps again (a person asked), though no input changed. */
  readonly retryStalled: boolean;
  readonly signal: AbortSignal;
  /** Asked before each step starts: true when a newer commit waits, and the pass ends at this safe point. */
  readonly superseded: () => boolean;
  readonly onEvent: (event: PassEvent) => void;
}

export interface Session {
  readonly host: Host;
  readonly configuration: Configuration;
}
