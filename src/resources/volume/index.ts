export { volumeExecutors } from "./apply.ts";
export { sweepAllAttached } from "./backends/read-only.ts";
export { sweepNotes } from "./notes.ts";
export { volumeObserver } from "./observe.ts";
export { volumePlanner } from "./plan.ts";
export { recoverVolume, sweepVolume } from "./recover.ts";
