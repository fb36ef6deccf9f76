import { artifactPlanner } from "./artifact/plan.ts";
import { environmentPlanner } from "./environment/plan.ts";
import { kernelPlanner } from "./kernel/plan.ts";
import { linkPlanner } from "./link/plan.ts";
import { mountPlanner } from "./mount/plan.ts";
import { overlayPlanner } from "./overlay/plan.ts";
import { provisionPlanner } from "./provision/plan.ts";
import { publishPlanner } from "./publish/plan.ts";
import { treePlanner } from "./tree/plan.ts";
import type { Observers, Planners } from "./types.ts";
import { volumePlanner } from "./volume/plan.ts";

/** What looks and decides, of every kind in one place; a kind without its part fails to compile. `effects.ts` has the rest. */
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

/** Loaded when a pass has something of the kind to look at: half of a short command is the loading of its modules. */
export const observers: Observers = {
  volume: async () => (await import("./volume/observe.ts")).volumeObserver,
  tree: async () => (await import("./tree/observe.ts")).treeObserver,
  overlay: async () => (await import("./overlay/observe.ts")).overlayObserver,
  mount: async () => (await import("./mount/observe.ts")).mountObserver,
  link: async () => (await import("./link/observe.ts")).linkObserver,
  environment: async () => (await import("./environment/observe.ts")).environmentObserver,
  provision: async () => (await import("./provision/observe.ts")).provisionObserver,
  artifact: async () => (await import("./artifact/observe.ts")).artifactObserver,
  kernel: async () => (await import("./kernel/observe.ts")).kernelObserver,
  publish: async () => (await import("./publish/observe.ts")).publishObserver,
};
