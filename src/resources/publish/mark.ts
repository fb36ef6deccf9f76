import { posix } from "node:path";
import type { PublishResource } from "../../core/resource.ts";
import { attributesIn } from "../marked.ts";
import { identityOf, type Marker } from "../marker.ts";
import type { ApplyContext } from "../types.ts";
import type { FarEnd } from "./far-end.ts";
import { FAR, MARKER } from "./look.ts";
import { MARK } from "./scripts.ts";

/** Stands for the inode of a directory of another machine, which only a shell there can tell. */
const INODE = 987_654_321_987;

/** Makes the place where it is not there, and marks it as ours. */
export async function markPlace(resource: PublishResource, end: FarEnd, context: ApplyContext): Promise<void> {
  const { files } = context.host;
  const { place, secret } = resource;
  const mode = secret ? 0o700 : 0o755;
  if (place.type === "ssh") {
    const text = JSON.stringify(markerOf(resource, { filesystem: FAR, inode: INODE }, context));
    await end.run(MARK, [place.path, mode.toString(8), ...text.split(String(INODE))]);
    return;
  }
  const { path } = place;
  const above = posix.dirname(path);
  if (files.stat(path) === undefined) files.makeDirectory(path, attributesIn(files, above, mode));
  const marker = markerOf(resource, identityOf(files, path), context);
  const text = `${JSON.stringify(marker, undefined, 2)}\n`;
  files.writeFile(posix.join(path, MARKER), text, attributesIn(files, path, 0o600));
}

function markerOf(
  { name, artifact }: PublishResource,
  identity: Marker["identity"],
  { instance, runId, host }: ApplyContext,
): Marker {
  const createdAt = new Date(host.clock.now_ms()).toISOString();
  return { version: 1, instance, kind: "publish", name, identity, runId, createdAt, inputs: {}, details: { artifact } };
}
