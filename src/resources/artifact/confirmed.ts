import type { ArtifactResource } from "../../core/resource.ts";
import type { JobMap, PackInput } from "../../host/jobs.ts";
import { lookOver } from "../sights.ts";
import type { ApplyContext } from "../types.ts";

/** The layers of an image, and whether its root is still what they tell of. */
export interface ConfirmedLayers {
  readonly layers: JobMap["layers"]["output"];
  /** To be asked before anything is placed. False: the root has changed since, and nothing that was made may be used. */
  readonly confirm: () => Promise<boolean>;
}

/**
 * The layers as the pass has seen them when it observed, while the root is looked at once more beside the packing: nobody is
 * in it by now. Where other steps came between, it is looked at first, and there is nothing to confirm.
 */
export async function confirmedLayers(
  { base }: ArtifactResource,
  input: PackInput,
  { host, signal, sights }: ApplyContext,
): Promise<ConfirmedLayers> {
  const seen = base.type === "tree" ? await sights?.of(base.path, input.excludes) : undefined;
  // One that is not settled tells nothing of what came after it.
  const looked = seen?.settled === true ? seen : undefined;
  const layers = await host.jobs.run("layers", { ...input, looked }, { signal });
  if (base.type !== "tree" || looked === undefined) return { layers, confirm: async () => true };
  const again = lookOver(host.jobs, { path: base.path, views: [input.excludes] }, signal);
  again.catch(() => undefined); // heard when it is asked for
  return { layers, confirm: async () => (await again)[0]?.digest === looked.digest };
}
