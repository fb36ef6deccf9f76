import type { TreeResource } from "../../core/resource.ts";
import type { PlanContext } from "../../core/step.ts";
import type { ObservedTree } from "./observe.ts";

/** Why a root is made; of a clone, also how. */
export function newReason(
  resource: TreeResource,
  { cloned, copy }: Pick<ObservedTree, "cloned" | "copy">,
  { actionOf }: PlanContext,
): string {
  const { source, volume } = resource;
  if (source.type !== "clone") return "new";
  if (cloned !== "") return `it came with its volume: a ${cloned} of ${source.tree}`;
  const comesAlong = actionOf(volume) === "create" ? source.means : undefined;
  return `new: a ${comesAlong ?? (copy || "copy")} of ${source.tree}`;
}
