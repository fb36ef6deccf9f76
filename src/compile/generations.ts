import type { GenerationPolicy } from "../core/resource.ts";
import type { RetentionSpec } from "../documents/types-image.ts";
import { parseInterval } from "../documents/units.ts";
import type { CompileContext } from "./context.ts";

/** Which generations of an image or a kernel are kept: as declared, else as many as the host's policy says. */
export function generationPolicy(
  { generations, age, keep }: RetentionSpec = {},
  { policy }: Pick<CompileContext, "policy">,
): GenerationPolicy {
  return {
    generations: generations ?? policy.generations,
    generationAge_s: parseInterval(age),
    pinned: keep,
  };
}
