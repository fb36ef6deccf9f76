import type { Executors, Observer } from "../types.ts";
import { packArtifact, switchArtifact } from "./apply.ts";
import { observeArtifact, observeRemovedArtifact } from "./observe.ts";
import { deleteArtifact } from "./remove.ts";

export { artifactPlanner } from "./plan.ts";
export { recoverArtifact } from "./remove.ts";

export const artifactObserver: Observer<"artifact"> = {
  observe: observeArtifact,
  observeRemoved: observeRemovedArtifact,
};

export const artifactExecutors: Pick<Executors, "artifact.pack" | "artifact.switch" | "artifact.delete"> = {
  "artifact.pack": packArtifact,
  "artifact.switch": switchArtifact,
  "artifact.delete": deleteArtifact,
};
