import type { Executors, Observer } from "../types.ts";
import { deleteArtifact, packArtifact, switchArtifact } from "./apply.ts";
import { observeArtifact, observeRemovedArtifact } from "./observe.ts";

export { recoverArtifact } from "./apply.ts";
export { artifactPlanner } from "./plan.ts";

export const artifactObserver: Observer<"artifact"> = {
  observe: observeArtifact,
  observeRemoved: observeRemovedArtifact,
};

export const artifactExecutors: Pick<Executors, "artifact.pack" | "artifact.switch" | "artifact.delete"> = {
  "artifact.pack": packArtifact,
  "artifact.switch": switchArtifact,
  "artifact.delete": deleteArtifact,
};
