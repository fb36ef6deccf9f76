import type { TreeResource } from "../../core/resource.ts";
import type { Marker } from "../marker.ts";
import { recordOf } from "../owned.ts";
import type { ApplyContext, Outcome } from "../types.ts";
import { sourceFacts } from "./facts.ts";

/** How the source was found right, or how a clone was copied, as the marker says it. */
export function filledOf({ details: { verified, cloned } }: Marker): { readonly [key: string]: string } {
  return {
    ...(typeof verified === "string" && verified !== "" ? { verified } : {}),
    ...(typeof cloned === "string" ? { cloned } : {}),
  };
}

/** What a person should know of where a new top comes from; that a declared sha256 holds goes without saying. */
export function sourceNotes({ source }: TreeResource, marker: Marker): readonly string[] {
  const { verified = "sha256", cloned = "copy" } = filledOf(marker);
  if (source.type === "clone") return [`a ${cloned} of ${source.tree}`];
  return verified === "sha256" ? [] : [`its source was checked by ${verified}`];
}

/** What a step leaves in the record. */
export function outcome(resource: TreeResource, marker: Marker, context: ApplyContext, result: string): Outcome {
  const { runId, revision, host } = context;
  const { path, volumePath, volume, source } = resource;
  const manifest = typeof marker.details.manifest === "string" ? marker.details.manifest : "";
  const record = recordOf(
    resource,
    { runId, revision, now_ms: host.clock.now_ms() },
    {
      inputs: { source: marker.inputs.source ?? "", content: resource.content },
      details: {
        path,
        volumePath,
        volume,
        sourceType: source.type,
        source: sourceFacts(source),
        manifest,
        ...filledOf(marker),
      },
    },
  );
  return { record, result };
}
