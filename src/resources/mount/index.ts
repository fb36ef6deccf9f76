import type { Executors, Observer } from "../types.ts";
import { mountMount, remountMount, unmountMount } from "./apply.ts";
import { observeMount, observeRemovedMount } from "./observe.ts";
import { proveMount } from "./prove.ts";

export { mountPlanner } from "./plan.ts";
export { recoverMount } from "./recover.ts";

export const mountObserver: Observer<"mount"> = {
  observe: async (resource, owned, context) => observeMount(resource, owned, context),
  observeRemoved: async (record, context) => observeRemovedMount(record, context),
};

export const mountExecutors: Pick<Executors, "mount.mount" | "mount.remount" | "mount.prove" | "mount.unmount"> = {
  "mount.mount": mountMount,
  "mount.remount": remountMount,
  "mount.prove": proveMount,
  "mount.unmount": unmountMount,
};
