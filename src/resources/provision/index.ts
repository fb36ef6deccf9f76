export { provisionExecutors } from "./apply.ts";
export { provisionObserver } from "./observe.ts";
export { provisionPlanner } from "./plan.ts";
