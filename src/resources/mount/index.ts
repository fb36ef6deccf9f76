import type { Executors } from "../types.ts";
import { mountMount, remountMount, unmountMount } from "./apply.ts";
import { proveMount } from "./prove.ts";

export { mountObserver } from "./observe.ts";
export { mountPlanner } from "./plan.ts";
export { recoverMount } from "./recover.ts";

export const mountExecutors: Pick<Executors, "mount.mount" | "mount.remount" | "mount.prove" | "mount.unmount"> = {
  "mount.mount": mountMount,
  "mount.remount": remountMount,
  "mount.prove": proveMount,
  "mount.unmount": unmountMount,
};
