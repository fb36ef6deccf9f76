import type { TreeResource } from "../../core/resource.ts";
import { writeMarker } from "../marker.ts";
import type { ApplyContext } from "../types.ts";
import { requireOurs } from "./apply.ts";
import { makeOwnFolders, recordManifest } from "./build.ts";
import { withoutOverlays } from "./leaving.ts";
import { treePaths } from "./paths.ts";

/** Writes down what a managed root holds after it was changed on purpose: drift is what differs from this. */
export async function recordChanged(resource: TreeResource, context: ApplyContext): Promise<void> {
  if (resource.content !== "managed") return;
  const { files } = context.host;
  const { marker } = requireOurs(resource, context, "record");
  const paths = treePaths(resource.volumePath, resource.name);
  makeOwnFolders(paths, files);
  const manifest = await recordManifest(resource.path, paths.manifest, withoutOverlays(resource, context), context);
  writeMarker(files, paths.marker, { ...marker, details: { ...marker.details, manifest } });
}
