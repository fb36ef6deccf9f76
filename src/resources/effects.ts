import type { ResourceKind } from "../core/resource.ts";
import { artifactExecutors, recoverArtifact } from "./artifact/index.ts";
import { environmentExecutors } from "./environment/index.ts";
import { kernelExecutors, recoverKernel } from "./kernel/index.ts";
import { linkExecutors, recoverLink } from "./link/index.ts";
import { mountExecutors, recoverMount } from "./mount/index.ts";
import { overlayExecutors } from "./overlay/index.ts";
import { provisionExecutors } from "./provision/index.ts";
import { publishExecutors } from "./publish/index.ts";
import { recoverTree, treeExecutors } from "./tree/index.ts";
import type { ApplyContext, Executors, OpenEffect } from "./types.ts";
import { recoverVolume, volumeExecutors } from "./volume/index.ts";

/** What changes the host, of every kind in one place; an operation without its executor fails to compile. */
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
