export { linkExecutors } from "./apply.ts";
export { linkObserver } from "./observe.ts";
export { linkPlanner } from "./plan.ts";
export { recoverLink } from "./recover.ts";
