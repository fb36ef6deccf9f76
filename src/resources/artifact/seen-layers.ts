import type { ArtifactResource } from "../../core/resource.ts";
import type { JobMap, PackInput } from "../../host/jobs.ts";
import { SETTLED_AFTER_MS } from "../../pack/hash-cache.ts";
import { lastAlone_ms } from "../lease.ts";
import type { ApplyContext } from "../types.ts";
import { rootOf } from "./inputs.ts";

/**
 * The layers of an image, while its lease is held: as the pass has seen them when it observed, where nobody has been in the
 * root since then. Where somebody was, or other steps came between, the root is looked at now.
 */
export async function seenLayers(
  { base }: ArtifactResource,
  input: PackInput,
  { host, signal, sights, state }: ApplyContext,
): Promise<JobMap["layers"]["output"]> {
  const seen = base.type === "tree" ? await sights?.of(base.path, input.excludes) : undefined;
  const wasAlone = base.type === "tree" ? lastAlone_ms(host.files, state, rootOf(base)) + SETTLED_AFTER_MS : 0;
  const looked = seen !== undefined && wasAlone <= seen.begun_ms ? seen : undefined;
  return host.jobs.run("layers", { ...input, looked }, { signal });
}
