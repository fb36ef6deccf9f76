export { treeExecutors } from "./apply.ts";
export { treeObserver } from "./observe.ts";
export { treePlanner } from "./plan.ts";
export { recoverTree } from "./swap.ts";
