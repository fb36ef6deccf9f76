import type { ResourceId } from "../core/resource.ts";
import { type CompileContext, type Expanded, findDocument, resolvePath, resourceId } from "./context.ts";
import { volumePath } from "./volumes.ts";

/** Where a root that has a volume stands. */
export interface RootPlace {
  readonly tree: ResourceId;
  readonly volume: ResourceId;
  readonly volumePath: string;
  readonly path: string;
}

/** undefined for a root that is not declared, and for one without a volume. */
export function rootPlace(document: Expanded<"Root"> | undefined, context: CompileContext): RootPlace | undefined {
  if (document === undefined) return undefined;
  const volume = findDocument(context, "Volume", document.spec.volume);
  if (volume === undefined) return undefined;
  const top = volumePath(volume, context);
  const folder = document.spec.path ?? (document.spec.source.existing === undefined ? "root" : undefined);
  return {
    tree: resourceId("tree", document.name),
    volume: resourceId("volume", volume.name),
    volumePath: top,
    path: folder === undefined ? top : resolvePath(top, folder),
  };
}
