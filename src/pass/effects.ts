/** What only a pass that may change something needs, loaded apart: all executors, with all that they use. */
export { applyPlan } from "./apply.ts";
export { collectAfterwards, collectForRoom } from "./gc.ts";
export { recover } from "./recover.ts";
