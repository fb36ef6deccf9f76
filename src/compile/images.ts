import { FORMATS, type FormatFacts } from "../core/format.ts";
import type {
  ArtifactResource,
  ImageCompression,
  MountResource,
  OverlayResource,
  OverlayTree,
  ProvisionResource,
  Resource,
  ResourceId,
} from "../core/resource.ts";
import { parseDate, parseSize } from "../documents/units.ts";
import { compileBoot } from "./boot.ts";
import { type CompileContext, type Expanded, findDocument, originOf, resourceId } from "./context.ts";
import { generationPolicy } from "./generations.ts";
import { imagePlace } from "./image-place.ts";
import { blank } from "./overlays.ts";
import { compilePicked } from "./picked.ts";
import { baseLayer, withOrigins } from "./roots.ts";
import { PACKAGE_MANAGERS } from "./strip.ts";

/** What a root leaves out of its images unless the Image says otherwise; anchored at the root's top. */
export const DEFAULT_EXCLUDES: readonly string[] = [
  "proc/*",
  "sys/*",
  "dev/*",
  "var/db/repos",
  "var/db/pkg",
  "var/cache/*",
  "var/lib/portage",
  "var/lib/gentoo",
  "var/gentoo",
  "usr/share/portage",
  "root/*",
  "home/*",
  "var/tmp/*",
  "tmp/*",
  "etc/portage",
  "var/log/*",
  "usr/src",
  "usr/share/doc/*",
  "usr/share/man/*",
];

/** Without these two the kernel starts init with no output at all. */
const NODES = [
  { ...blank("dev", "directory"), explicit: false },
  { ...blank("dev/console", "character"), major: 5, minor: 1 },
];

/** `overlays`: the trees of all overlays; `inRoots`: the overlays that are copied into roots, what stands mounted in them, and what is done in them. */
export function compileImage(
  document: Expanded<"Image">,
  overlays: ReadonlyMap<string, OverlayTree>,
  inRoots: readonly (OverlayResource | MountResource | ProvisionResource)[],
  context: CompileContext,
): ArtifactResource | undefined {
  const { name, spec } = document;
  const root = findDocument(context, "Root", spec.root);
  if (root === undefined) return undefined;
  const base = baseLayer(root, context);
  if (base === undefined) return undefined;
  const layers = layersOf(document, overlays, context);
  const { format = "initramfs" } = spec;
  const facts = FORMATS[format];
  const strip = spec.strip === undefined ? undefined : PACKAGE_MANAGERS;
  const compression = compressionOf(document, facts);
  const { path, file } = imagePlace(document, context);
  const boot = compileBoot(document, context);
  const { picked, ...more } = compilePicked(document, context);
  const needed = [...neededBy(boot.kernel), ...more.dependsOn];
  const tree = resourceId("tree", root.name);
  const below = inRoots.filter((resource) => resource.tree === tree);
  // What a mount of the host covers is never packed, whether it is mounted at that moment or not.
  const covered = below.flatMap((it) => (it.kind === "mount" ? [`${it.target.slice(it.within.length + 1)}/*`] : []));
  return {
    id: resourceId("artifact", name),
    kind: "artifact",
    name,
    identity: `path:${path}`,
    dependsOn: [...new Set([tree, ...below.map(({ id }) => id), ...needed])],
    origin: originOf(document),
    protect: false,
    onDelete: spec.onDelete ?? "retain",
    format,
    path,
    file,
    base,
    overlays: layers,
    secretOverlay: [...layers, ...overlaysIn(root, inRoots, context)].find(({ secret }) => secret)?.name,
    excludes: [
      ...(spec.exclude ?? DEFAULT_EXCLUDES),
      ...more.excludes,
      ...covered,
      ...Object.values(strip ?? {}).flat(),
    ],
    strip,
    nodes: NODES,
    init: spec.init ?? facts.init,
    compression,
    sourceDate_s: parseDate(spec.sourceDate) ?? 0,
    maxSize_bytes: parseSize(spec.maxSize),
    packPolicy: spec.pack ?? "onChange",
    ...generationPolicy(spec.retention, context),
    target: document.target ?? spec.target,
    ...boot,
    ...picked,
  };
}

/** What is laid into a root, and into those that it is a copy of. */
function overlaysIn(
  root: Expanded<"Root">,
  inRoots: readonly Resource[],
  context: CompileContext,
): readonly OverlayTree[] {
  const trees = new Set(withOrigins(root, context).map(({ name }) => resourceId("tree", name)));
  return inRoots.flatMap((it) => (it.kind === "overlay" && trees.has(it.tree) ? [it.overlay] : []));
}

function neededBy(kernel: ArtifactResource["kernel"]): readonly ResourceId[] {
  if (kernel?.type === "tree") return [kernel.tree];
  return kernel?.type === "built" ? [kernel.kernel] : [];
}

function compressionOf({ spec }: Expanded<"Image">, { codecs, defaultCodec }: FormatFacts): ImageCompression {
  const codec = spec.compression?.codec ?? defaultCodec;
  const [, , usual = 0] = codecs[codec]?.levels ?? [];
  return { codec, level: spec.compression?.level ?? usual };
}

/** `common` and the overlays named, by order and then by name; those copied into roots come with their root. */
function layersOf(
  { spec }: Expanded<"Image">,
  overlays: ReadonlyMap<string, OverlayTree>,
  context: CompileContext,
): readonly OverlayTree[] {
  const names = new Set([...(spec.common === false ? [] : ["common"]), ...(spec.overlays ?? [])]);
  const layers = [...names].flatMap((name) => {
    const copied = findDocument(context, "Overlay", name)?.spec.into === "root";
    return copied ? [] : (overlays.get(name) ?? []);
  });
  return layers.sort((left, right) => left.order - right.order || (left.name < right.name ? -1 : 1));
}
