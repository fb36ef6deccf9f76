export { environmentExecutors } from "./apply.ts";
export { environmentObserver } from "./observe.ts";
export { environmentPlanner } from "./plan.ts";
