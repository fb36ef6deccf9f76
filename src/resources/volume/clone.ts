import type { VolumeOrigin, VolumeResource } from "../../core/resource.ts";
import { sizeText } from "../../core/size.ts";
import { OWN_FOLDER } from "../marker.ts";
import { whileAtRest } from "../tree/clone.ts";
import { cloneNote } from "../tree/cloned.ts";
import { listSnapshots } from "../tree/snapshots/list.ts";
import { removeSnapshot } from "../tree/snapshots/remove.ts";
import { takeSnapshot } from "../tree/snapshots/take.ts";
import type { ApplyContext } from "../types.ts";
import { backendOf } from "./backends/index.ts";
import { onOneFilesystem } from "./backends/reflink.ts";
import { parentOf } from "./observe.ts";
import { namesText } from "./top.ts";

/** How a volume was cloned, or why the root that it is for has to be copied file by file. */
export type Cloned = { readonly means: string } | { readonly why: string };

/**
 * Makes a volume as a clone of the one that its root's origin is in, of a snapshot of this moment; nobody is in the origin
 * meanwhile. The snapshot goes again where the clone does not need it.
 */
export async function cloneVolume(
  resource: VolumeResource,
  origin: VolumeOrigin,
  context: ApplyContext,
): Promise<Cloned> {
  const { tree, volume } = origin;
  return whileAtRest(`create volume ${resource.name}`, tree, context, async () => {
    const why = await whyNot(resource, origin, context);
    if (why !== "") return { why };
    const backend = backendOf(resource);
    const note = `for ${resource.id}`;
    for (const left of await listSnapshots(tree, context))
      if (left.reason === "clone" && left.note === note) await removeSnapshot(tree, left, context);
    const occasion = { reason: "clone", note, who: "", alone: false };
    const taken = await takeSnapshot(tree, occasion, context);
    const from = { volume, snapshot: taken.name, note: cloneNote(origin, context, context.host.files) };
    const means = await backend.cloneFrom(from, resource, context);
    if (!backend.clonesHold) await removeSnapshot(tree, taken, context);
    return { means };
  });
}

/** What keeps the origin's volume from being cloned as it is; empty where nothing does. */
async function whyNot(resource: VolumeResource, origin: VolumeOrigin, context: ApplyContext): Promise<string> {
  const { host } = context;
  const { volume, tree } = origin;
  const backend = backendOf(resource);
  const { clones, note } = await backend.capabilities(volume, context);
  if (clones === undefined || clones === "copy") return note;
  const parents = [volume, resource].map(parentOf).filter((path) => path !== "");
  const [from = "", to = ""] = parents.map((path) => host.files.realPath(path) ?? context.state);
  if (from !== "" && !onOneFilesystem(host, from, to)) return `${volume.id} is on another filesystem`;
  const [folder = ""] = tree.path.slice(tree.volumePath.length + 1).split("/");
  const others = (host.files.list(tree.volumePath) ?? []).filter(
    (name) => ![folder, OWN_FOLDER, "lost+found"].includes(name),
  );
  if (others.length > 0) return `${volume.id} holds more than it: ${namesText(others)}`;
  const { size_bytes = 0 } = await backend.observe(volume, context);
  const isLarger = !backend.shrinks && size_bytes > (resource.size_bytes ?? 0);
  return isLarger ? `${volume.id} has ${sizeText(size_bytes)}` : "";
}
