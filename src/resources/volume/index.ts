export { recoverVolume, volumeExecutors } from "./apply.ts";
export { volumeObserver } from "./observe.ts";
export { volumePlanner } from "./plan.ts";
