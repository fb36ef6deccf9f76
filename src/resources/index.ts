import type { ResourceKind } from "../core/resource.ts";
import { artifactExecutors, artifactObserver, artifactPlanner, recoverArtifact } from "./artifact/index.ts";
import { environmentExecutors, environmentObserver, environmentPlanner } from "./environment/index.ts";
import { kernelExecutors, kernelObserver, kernelPlanner, recoverKernel } from "./kernel/index.ts";
import { linkExecutors, linkObserver, linkPlanner, recoverLink } from "./link/index.ts";
import { mountExecutors, mountObserver, mountPlanner, recoverMount } from "./mount/index.ts";
import { overlayExecutors, overlayObserver, overlayPlanner } from "./overlay/index.ts";
import { provisionExecutors, provisionObserver, provisionPlanner } from "./provision/index.ts";
import { publishExecutors, publishObserver, publishPlanner } from "./publish/index.ts";
import { recoverTree, treeExecutors, treeObserver, treePlanner } from "./tree/index.ts";
import type { ApplyContext, Executors, Observers, OpenEffect, Planners } from "./types.ts";
import { recoverVolume, volumeExecutors, volumeObserver, volumePlanner } from "./volume/index.ts";

/** Every kind's three parts in one place; a kind or an operation without its part fails to compile. */
export const planners: Planners = {
  volume: volumePlanner,
  tree: treePlanner,
  overlay: overlayPlanner,
  mount: mountPlanner,
  link: linkPlanner,
  environment: environmentPlanner,
  provision: provisionPlanner,
  artifact: artifactPlanner,
  kernel: kernelPlanner,
  publish: publishPlanner,
};

export const observers: Observers = {
  volume: volumeObserver,
  tree: treeObserver,
  overlay: overlayObserver,
  mount: mountObserver,
  link: linkObserver,
  environment: environmentObserver,
  provision: provisionObserver,
  artifact: artifactObserver,
  kernel: kernelObserver,
  publish: publishObserver,
};

export const executors: Executors = {
  ...volumeExecutors,
  ...treeExecutors,
  ...overlayExecutors,
  ...mountExecutors,
  ...linkExecutors,
  ...environmentExecutors,
  ...provisionExecutors,
  ...artifactExecutors,
  ...kernelExecutors,
  ...publishExecutors,
  /** Only the record goes: data and marker stay, and the object can be adopted or declared again. */
  forget: async () => ({ record: undefined, result: "forgotten; its data and marker were kept" }),
};

type Recovery = (open: OpenEffect, context: ApplyContext) => Promise<void>;

/**
 * What each kind does about an effect that a kill left open. Kinds whose effects are single atomic
 * calls need nothing: the next observation decides.
 */
export const recoveries: { readonly [K in ResourceKind]: Recovery | undefined } = {
  volume: recoverVolume,
  tree: recoverTree,
  overlay: undefined,
  mount: recoverMount,
  link: recoverLink,
  environment: undefined,
  // A root that is taken back to a snapshot is swapped as a tree is.
  provision: recoverTree,
  artifact: recoverArtifact,
  kernel: recoverKernel,
  // What a kill left half done is never visible, and the next upload goes on with it.
  publish: undefined,
};
