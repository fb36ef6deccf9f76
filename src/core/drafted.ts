import type { ResourceId, ResourceKind } from "./resource.ts";
import type { Draft } from "./step.ts";

/** What people decided, boiled down from the store. */
export interface Decisions {
  readonly adoptions: ReadonlySet<ResourceId>;
  readonly forgets: ReadonlySet<ResourceId>;
  readonly suspended: ReadonlyMap<ResourceId, string>;
  /** Step digest that a person approved. */
  readonly approvals: ReadonlyMap<ResourceId, string>;
  /** Step digest that failed for good, with the message. */
  readonly stalled: ReadonlyMap<ResourceId, { readonly digest: string; readonly message: string }>;
}

/** A draft on its way to a step. */
export interface Drafted {
  readonly id: ResourceId;
  readonly kind: ResourceKind;
  readonly name: string;
  readonly dependsOn: readonly ResourceId[];
  readonly draft: Draft;
  readonly digest: string;
  readonly protect: boolean;
  readonly unobserved: boolean;
}
