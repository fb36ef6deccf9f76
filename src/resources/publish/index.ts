import { uploadImage } from "./apply.ts";

export { publishObserver } from "./observe.ts";
export { publishPlanner } from "./plan.ts";

export const publishExecutors = { "publish.upload": uploadImage };
