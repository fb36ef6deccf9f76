import type { Executors, Observer } from "../types.ts";
import { layOverlay, removeOverlay } from "./apply.ts";
import { observeOverlay, observeRemovedOverlay } from "./observe.ts";

export { overlayPlanner } from "./plan.ts";

export const overlayObserver: Observer<"overlay"> = {
  observe: (resource, _owned, context) => observeOverlay(resource, context),
  observeRemoved: observeRemovedOverlay,
};

export const overlayExecutors: Pick<Executors, "overlay.lay" | "overlay.remove"> = {
  "overlay.lay": layOverlay,
  "overlay.remove": removeOverlay,
};
