import type { Executors } from "../types.ts";
import { layOverlay, removeOverlay } from "./apply.ts";

export { overlayObserver } from "./observe.ts";
export { overlayPlanner } from "./plan.ts";

export const overlayExecutors: Pick<Executors, "overlay.lay" | "overlay.remove"> = {
  "overlay.lay": layOverlay,
  "overlay.remove": removeOverlay,
};
