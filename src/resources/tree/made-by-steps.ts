import { showPath } from "../../core/entry.ts";
import type { TreeResource } from "../../core/resource.ts";
import type { Blocked, Draft } from "../../core/step.ts";
import type { TreeDrift } from "./drift.ts";

const DETAILS_MAX = 20;

/** The source does not have them, and nobody can say which step would make them anew. */
export function madeBySteps(resource: TreeResource, paths: TreeDrift["ofSteps"]): Draft {
  const [shown, more] = [paths.slice(0, 3).map(showPath).join(", "), paths.length > 3 ? ", ..." : ""];
  const reason = `${paths.length} ${paths.length === 1 ? "path differs" : "paths differ"} from how its steps left ${paths.length === 1 ? "it" : "them"}: ${shown}${more}`;
  const restore = { operation: "tree.restore", arguments: { resource, paths }, action: "update" } as const;
  const blocked: Blocked = {
    condition: resource.driftPolicy === "report" ? "ReportOnly" : "Refused",
    message: `cannot restore ${resource.id}: ${reason}`,
    hint: `roll it back (rootloom snapshots ${resource.name}), or change the step that made them, so that it runs again`,
  };
  return { ...restore, cause: "corrective", reason, details: paths.slice(0, DETAILS_MAX).map(showPath), blocked };
}
