import type { Resource, VolumeResource } from "../core/resource.ts";
import { parseMode, parseOwner, parseSize } from "../documents/units.ts";
import { type CompileContext, compileLinks, type Expanded, originOf, resolvePath, resourceId } from "./context.ts";

/** The volumes, and the links that belong to them. */
export function compileVolume(document: Expanded<"Volume">, context: CompileContext): readonly Resource[] {
  const volume = toVolume(document, context);
  return [volume, ...compileLinks(document, document.spec.links, [volume.id])];
}

/** Absolute path at which a volume's content is reached. */
export function volumePath(document: Expanded<"Volume">, context: CompileContext): string {
  const { backend, path, mountPoint } = document.spec;
  const place = backend === "directory" || backend === "btrfs" ? path : mountPoint;
  return resolvePath(context.state, place ?? `volumes/${document.name}`);
}

function toVolume(document: Expanded<"Volume">, context: CompileContext): VolumeResource {
  const { name, spec } = document;
  const path = volumePath(document, context);
  const { device, identity } = deviceOf(document, context, path);
  const formatted = spec.backend === "lvm" || spec.backend === "loop";
  if (path === context.state || context.state.startsWith(`${path}/`)) {
    const message = `cannot use ${path} as Volume ${name}: the state directory lies in it`;
    context.report(document, ["spec", "path"], message, "choose a folder of its own");
  }
  return {
    id: resourceId("volume", name),
    kind: "volume",
    name,
    identity,
    dependsOn: [],
    origin: originOf(document),
    protect: spec.protect ?? false,
    onDelete: spec.onDelete ?? "retain",
    backend: spec.backend,
    path,
    device,
    size_bytes: parseSize(spec.size),
    filesystem: formatted ? (spec.filesystem ?? "ext4") : undefined,
    label: spec.label,
    ...(spec.thinPool === undefined ? {} : { thinPool: spec.thinPool }),
    mountOptions: spec.mountOptions ?? [],
    ownership: parseOwner(spec.owner) ?? { owner: 0, group: 0 },
    mode: parseMode(spec.mode) ?? 0o755,
  };
}

function deviceOf(
  { name, spec }: Expanded<"Volume">,
  context: CompileContext,
  path: string,
): { readonly device: string; readonly identity: string } {
  switch (spec.backend) {
    case "directory":
      return { device: "", identity: `path:${path}` };
    case "btrfs":
      return { device: path, identity: `path:${path}` };
    case "zfs":
      return { device: spec.dataset ?? "", identity: `dataset:${spec.dataset ?? ""}` };
    case "lvm": {
      const device = `${spec.group ?? ""}/${spec.logicalVolume ?? name}`;
      return { device, identity: `lv:${device}` };
    }
    case "loop": {
      const device = resolvePath(context.state, spec.image ?? `volumes/${name}.img`);
      return { device, identity: `path:${device}` };
    }
  }
}
