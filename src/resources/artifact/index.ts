import type { Executors } from "../types.ts";
import { packArtifact, switchArtifact } from "./apply.ts";
import { deleteArtifact } from "./remove.ts";

export { artifactObserver } from "./observe.ts";
export { artifactPlanner } from "./plan.ts";
export { recoverArtifact } from "./remove.ts";

export const artifactExecutors: Pick<Executors, "artifact.pack" | "artifact.switch" | "artifact.delete"> = {
  "artifact.pack": packArtifact,
  "artifact.switch": switchArtifact,
  "artifact.delete": deleteArtifact,
};
