import type { TreePath } from "./entry.ts";
import type { OwnedRecord, Resource, ResourceId, ResourceKind, ResourceMap } from "./resource.ts";

/**
 * Steps: what a plan is made of, plain data. `StepArguments` is the one map from operation to
 * arguments; the step union is derived from it, and the executors and report texts must have an entry a key.
 */
export interface StepArguments {
  readonly "volume.create": { readonly resource: ResourceMap["volume"] };
  readonly "volume.adopt": { readonly resource: ResourceMap["volume"] };
  /** Corrects owner and mode of the top, and rewrites a record that was lost. */
  readonly "volume.update": { readonly resource: ResourceMap["volume"] };
  readonly "volume.delete": { readonly record: OwnedRecord };
  readonly "tree.create": { readonly resource: ResourceMap["tree"] };
  readonly "tree.adopt": { readonly resource: ResourceMap["tree"] };
  /** Takes note of what is there (record lost, policy changed); the tree's files stay as they are. */
  readonly "tree.update": { readonly resource: ResourceMap["tree"] };
  /** Puts drifted paths of a managed tree back from its kept source. */
  readonly "tree.restore": { readonly resource: ResourceMap["tree"]; readonly paths: readonly TreePath[] };
  /** Builds the new tree beside, swaps the two, keeps the old. */
  readonly "tree.replace": { readonly resource: ResourceMap["tree"] };
  readonly "tree.delete": { readonly record: OwnedRecord };
  readonly "overlay.lay": {
    readonly resource: ResourceMap["overlay"];
    readonly lay: readonly TreePath[];
    readonly remove: readonly TreePath[];
  };
  readonly "overlay.remove": { readonly record: OwnedRecord };
  readonly "mount.mount": { readonly resource: ResourceMap["mount"] };
  readonly "mount.remount": { readonly resource: ResourceMap["mount"]; readonly unmountFirst: boolean };
  /** Mounts a private mount once in a namespace of its own and proves that it works; nothing stays mounted. */
  readonly "mount.prove": { readonly resource: ResourceMap["mount"] };
  readonly "mount.unmount": { readonly record: OwnedRecord };
  readonly "link.write": { readonly resource: ResourceMap["link"] };
  readonly "link.delete": { readonly record: OwnedRecord };
  readonly "environment.write": { readonly resource: ResourceMap["environment"] };
  readonly "environment.delete": { readonly record: OwnedRecord };
  /** Runs those steps that are not done, in their order, and takes note of the root as it is then. */
  readonly "provision.run": { readonly resource: ResourceMap["provision"] };
  readonly "artifact.pack": { readonly resource: ResourceMap["artifact"] };
  /** Points `current` back at the recorded generation, whose files were found whole. */
  readonly "artifact.switch": { readonly resource: ResourceMap["artifact"]; readonly generation: string };
  readonly "artifact.delete": { readonly record: OwnedRecord };
  /** Configures, checks and makes it; what stands whole from the same inputs is only pointed at. */
  readonly "kernel.build": { readonly resource: ResourceMap["kernel"] };
  readonly "kernel.delete": { readonly record: OwnedRecord };
  /** Uploads the current generation beside what is offered, and then points at it. */
  readonly "publish.upload": { readonly resource: ResourceMap["publish"] };
  readonly forget: { readonly record: OwnedRecord };
  readonly keep: Record<never, never>;
}
export type Operation = keyof StepArguments;

export type Action = "keep" | "create" | "update" | "replace" | "delete" | "adopt" | "forget";
export type Cause = "intentional" | "corrective";

/** Why a step is not run now. `condition` is the condition's type that it sets. */
export interface Blocked {
  readonly condition:
    | "ApprovalRequired"
    | "Suspended"
    | "Stalled"
    | "Quarantined"
    | "Waiting"
    | "Refused"
    | "ReportOnly";
  readonly message: string;
  readonly hint: string;
}

interface StepBase {
  readonly id: ResourceId;
  readonly kind: ResourceKind;
  readonly name: string;
  readonly action: Action;
  readonly cause: Cause;
  /** Names the input that differs: "overlay/common changed", "mode is 0777, 0755 is declared". */
  readonly reason: string;
  /** What data would go; absent when nothing would. */
  readonly destroys?: string;
  /** True when a populated tree gives way to another: approval is needed though nothing is destroyed. */
  readonly replaces?: boolean;
  /** Set where the step is only a consequence of that resource's step in this pass: no difference of its own. */
  readonly follows?: ResourceId;
  /** Lines for a person: a diff of a drifted file, the paths that differ. Never secrets. */
  readonly details?: readonly string[];
  readonly blocked?: Blocked;
  readonly dependsOn: readonly ResourceId[];
  /** Digest of operation, arguments and what was observed: what an approval is bound to. */
  readonly digest: string;
}
export type StepOf<O extends Operation> = StepBase & { readonly operation: O; readonly arguments: StepArguments[O] };
export type Step = { [O in Operation]: StepOf<O> }[Operation];

/** What a kind's planner says of one resource; `plan` adds identity, order, approval and digest. */
export type Draft = {
  [O in Operation]: {
    readonly operation: O;
    readonly arguments: StepArguments[O];
    readonly action: Action;
    readonly cause: Cause;
    readonly reason: string;
    readonly destroys?: string;
    readonly replaces?: boolean;
    readonly follows?: ResourceId;
    /** True where nobody could look at what depends on it: a volume that is not mounted. */
    readonly hides?: boolean;
    /** True where its object is half made: what depends on it waits while it is blocked. */
    readonly unfinished?: boolean;
    readonly details?: readonly string[];
    readonly blocked?: Blocked;
  };
}[Operation];

/** What a planner may look at beside its own resource. */
export interface PlanContext {
  /** What happens to a dependency in this pass; `keep` where its step is blocked and nothing will change. */
  readonly actionOf: (id: ResourceId) => Action | undefined;
  readonly adoptions: ReadonlySet<ResourceId>;
  /** Trees out of which an overlay is taken in this pass, with that overlay. */
  readonly leaving?: ReadonlyMap<ResourceId, ResourceId>;
}

/** One per kind, pure. */
export interface Planner<K extends ResourceKind, Observed> {
  readonly plan: (
    resource: ResourceMap[K],
    observed: Observed,
    owned: OwnedRecord | undefined,
    context: PlanContext,
  ) => Draft;
  /** For a record whose declaration is gone: delete, forget or keep (already gone). */
  readonly planRemoval: (record: OwnedRecord, observed: Observed) => Draft;
}

export interface PlanProblem {
  readonly id: ResourceId | undefined;
  readonly message: string;
  readonly hint: string;
}

export interface Plan {
  /** Commit the pass is bound to; empty when a worktree was tried. */
  readonly revision: string;
  readonly treeHash: string;
  readonly steps: readonly Step[];
  readonly problems: readonly PlanProblem[];
  /** Digest over every step's digest: what a plan file is checked by. */
  readonly digest: string;
}

export type { Resource, ResourceId };
