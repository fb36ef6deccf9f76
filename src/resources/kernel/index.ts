export { kernelExecutors, recoverKernel } from "./apply.ts";
export { kernelObserver } from "./observe.ts";
export { kernelPlanner } from "./plan.ts";
