import type { MountResource } from "../core/resource.ts";
import type { MountSpec } from "../documents/types.ts";
import { parseMode, parseOwner } from "../documents/units.ts";
import {
  type CompileContext,
  type Expanded,
  findDocument,
  isBelow,
  originOf,
  resolvePath,
  resourceId,
} from "./context.ts";
import { imagePlace } from "./image-place.ts";
import type { RootPlace } from "./root-place.ts";
import { volumePath } from "./volumes.ts";

/** What an image is mounted with, unless its own options say otherwise: nobody writes to it, and nothing in it gives rights. */
const IMAGE_OPTIONS = ["ro", "nodev", "noexec", "nosuid"];
const OPPOSITES: Readonly<Record<string, string>> = { dev: "nodev", exec: "noexec", suid: "nosuid" };

/** The mounts of a root: parents before children; a child depends on the mounts above it. */
export function compileMounts(
  document: Expanded<"Root">,
  place: RootPlace,
  context: CompileContext,
): readonly MountResource[] {
  const mounts: MountResource[] = [];
  const declared = (document.spec.mounts ?? []).map((spec, index) => ({ spec, index }));
  declared.sort((left, right) => (left.spec.target < right.spec.target ? -1 : 1));
  for (const { spec, index } of declared) {
    const { target } = spec;
    const name = `${document.name}:${target}`;
    const namespace = spec.namespace ?? "private";
    const path = resolvePath(place.path, `.${target}`);
    // A private mount is never seen by one in the host's namespace.
    const parents = mounts.filter(
      (mount) => isBelow(path, mount.target) && (mount.namespace === "host" || namespace === "private"),
    );
    const above = parents.filter((mount) => mount.namespace === "private");
    const { needs, ...source } = mountSource(spec, context);
    mounts.push({
      id: resourceId("mount", name),
      kind: "mount",
      name,
      identity: `mount:${path}`,
      dependsOn: [place.tree, ...needs, ...parents.map((parent) => parent.id)],
      origin: originOf(document, ["spec", "mounts", index]),
      protect: false,
      onDelete: "destroy",
      target: path,
      within: place.path,
      type: spec.type,
      ...source,
      options: isImage(spec) ? imageOptions(spec.options ?? []) : (spec.options ?? []),
      propagation: spec.propagation,
      namespace,
      tree: place.tree,
      ...(above.length === 0 ? {} : { above: above.map(({ above: _, ...mount }) => mount) }),
    });
  }
  return mounts;
}

type Source = Pick<MountResource, "source" | "volume" | "folder" | "artifact"> & {
  readonly needs: MountResource["dependsOn"];
};

function mountSource(spec: MountSpec, context: CompileContext): Source {
  if (spec.type !== "bind" && spec.type !== "rbind" && !isImage(spec)) return { source: spec.type, needs: [] };
  const image = findDocument(context, "Image", spec.image);
  if (image !== undefined) {
    const { artifact, path, file } = imagePlace(image, context);
    // By way of the link, so that it is always the newest that is declared.
    return { source: `${path}/current${isImage(spec) ? `/${file}` : ""}`, artifact, needs: [artifact] };
  }
  const volume = findDocument(context, "Volume", spec.volume);
  if (volume === undefined) return { source: spec.source ?? "", needs: [] };
  const id = resourceId("volume", volume.name);
  const path = volumePath(volume, context);
  const { subdirectory, owner, mode } = spec;
  if (subdirectory === undefined) return { source: path, volume: { id, path }, needs: [id] };
  const folder = {
    path: subdirectory,
    ownership: parseOwner(owner),
    mode: parseMode(mode),
  };
  return { source: `${path}/${folder.path}`, volume: { id, path }, folder, needs: [id] };
}

function isImage({ type }: Pick<MountSpec, "type">): boolean {
  return type === "squashfs" || type === "erofs";
}

/** `exec` lifts the usual `noexec`, and so on. */
function imageOptions(declared: readonly string[]): readonly string[] {
  const lifted = new Set(declared.flatMap((option) => OPPOSITES[option] ?? []));
  return [...new Set([...IMAGE_OPTIONS.filter((option) => !lifted.has(option)), ...declared])];
}
