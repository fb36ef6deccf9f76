import type { Digest } from "../core/digest.ts";
import { toTreePath } from "../core/entry.ts";
import type {
  DesiredGraph,
  MountResource,
  OverlayResource,
  OverlayTree,
  ProvisionResource,
  Resource,
  ResourceId,
} from "../core/resource.ts";
import { expandDocuments } from "../documents/expand.ts";
import type { OverlaySource } from "../documents/overlays.ts";
import { sortProblems } from "../documents/problems.ts";
import type { Document, Problem } from "../documents/types.ts";
import type { SourceFile } from "../source/types.ts";
import { cloneVolumes } from "./clones.ts";
import { findConflicts, findCycle } from "./conflicts.ts";
import { type CompileContext, findDocument, indexDocuments, type MergedContents, ofKind } from "./context.ts";
import { compileImage } from "./images.ts";
import { compileKernels } from "./kernels.ts";
import { compileLaidOverlay, compileOverlay } from "./overlays.ts";
import { PathIndex } from "./path-index.ts";
import { compilePolicy } from "./policy.ts";
import { compileMergedFiles } from "./provision.ts";
import { compilePublish } from "./publish.ts";
import { compileRoot } from "./roots.ts";
import { compileTarget } from "./targets.ts";
import { compileVolume } from "./volumes.ts";

export interface CompileInput {
  /** As `loadDocuments` gives them; only a tree without problems is compiled. */
  readonly documents: readonly Document[];
  readonly overlays: readonly OverlaySource[];
  /** All files of the documents' folder, for what a document names by path. */
  readonly files?: readonly SourceFile[];
  /** What files of roots are put together to; those of `mergeFiles`. */
  readonly merged?: MergedContents;
  /** Absolute path of the state directory: relative paths of volumes are below it. */
  readonly state: string;
  /** Absolute path of the documents' folder in a checkout, for relative tarballs; undefined where there is none. */
  readonly baseDirectory?: string | undefined;
  /** What the machine has to give where the Host document says nothing. */
  readonly defaults: { readonly jobs: number; readonly memory_bytes: number };
  readonly digest: Digest;
}

/** What people wrote becomes what the host should have. Pure; the same input gives the same list in the same order. */
export function compile(input: CompileInput): {
  readonly graph: DesiredGraph;
  readonly problems: readonly Problem[];
} {
  const expansion = expandDocuments(input.documents);
  const problems: Problem[] = [...expansion.problems];
  const policy = compilePolicy(expansion.documents, input.defaults);
  const context: CompileContext = {
    state: input.state,
    baseDirectory: input.baseDirectory,
    digest: input.digest,
    policy,
    documents: indexDocuments(expansion.documents),
    overlays: input.overlays,
    file: desiredFiles(input.files ?? []),
    merged: input.merged ?? new Map(),
    report: (document, path, message, hint) => problems.push({ ...document.locate(path), message, hint }),
  };
  const resources = inOrder(dependOnPlaces(cloneVolumes(compileResources(context))));
  problems.push(...findConflicts(resources), ...cycleProblems(resources));
  return { graph: { resources, policy }, problems: sortProblems(problems) };
}

function compileResources(context: CompileContext): readonly Resource[] {
  const overlays = new Map<string, OverlayTree>();
  const laid: OverlayResource[] = [];
  for (const source of context.overlays) {
    const document = findDocument(context, "Overlay", source.name);
    if (document === undefined) continue;
    const tree = compileOverlay(source, document, context);
    overlays.set(source.name, tree);
    laid.push(...compileLaidOverlay(document, tree, context));
  }
  laid.push(...ofKind(context, "Root").flatMap((document) => compileMergedFiles(document, context)));
  const laidInto = Map.groupBy(laid, (resource) => resource.tree);
  const roots = ofKind(context, "Root").flatMap((document) => {
    const layers = laidInto.get(`tree/${document.name}`) ?? [];
    return compileRoot(document, context, layers);
  });
  const standing = roots.filter(
    (it): it is MountResource | ProvisionResource =>
      it.kind === "provision" || (it.kind === "mount" && it.namespace === "host"),
  );
  const images = ofKind(context, "Image").flatMap((document) => {
    const image = compileImage(document, overlays, [...laid, ...standing], context);
    return image === undefined ? [] : { image, publish: compilePublish(document, image, context) };
  });
  const artifacts = images.map(({ image }) => image);
  return [
    ...ofKind(context, "ArchTarget").flatMap((document) => compileTarget(document, context)),
    ...ofKind(context, "Volume").flatMap((document) => compileVolume(document, context)),
    ...roots,
    ...laid,
    ...artifacts,
    ...images.flatMap(({ publish }) => publish ?? []),
    ...ofKind(context, "KernelConfig").flatMap((document) => compileKernels(document, artifacts, context)),
  ];
}

function desiredFiles(files: readonly SourceFile[]): CompileContext["file"] {
  const regular = new Map(files.filter(({ type }) => type === "file").map((file) => [file.path, file]));
  return (path) => {
    const found = regular.get(toTreePath(path));
    return found === undefined ? undefined : { path, sha256: found.sha256, content: found.content };
  };
}

/** What stands inside a volume depends on it: parents come first, whoever declared them. */
function dependOnPlaces(resources: readonly Resource[]): readonly Resource[] {
  const volumes = new PathIndex<ResourceId>();
  for (const resource of resources) if (resource.kind === "volume") volumes.add(resource.path, resource.id);
  return resources.map((resource) => {
    const place = placeOf(resource);
    if (place === undefined) return resource;
    return { ...resource, dependsOn: [...new Set([...resource.dependsOn, ...volumes.above(place)])] };
  });
}

function placeOf(resource: Resource): string | undefined {
  if (resource.kind === "volume" && resource.backend === "loop") return resource.device;
  if (resource.kind === "publish") return resource.place.type === "directory" ? resource.place.path : undefined;
  return "path" in resource ? resource.path : undefined;
}

const KIND_ORDER = [
  "volume",
  "tree",
  "mount",
  "overlay",
  "link",
  "environment",
  "provision",
  "artifact",
  "kernel",
  "publish",
] as const;

/** By kind, then by name. Dependencies are sorted, too, and name only what is there. */
function inOrder(resources: readonly Resource[]): readonly Resource[] {
  const ids = new Set<ResourceId>(resources.map(({ id }) => id));
  return resources
    .map((resource) => ({ ...resource, dependsOn: resource.dependsOn.filter((id) => ids.has(id)).sort() }))
    .sort(
      (left, right) =>
        KIND_ORDER.indexOf(left.kind) - KIND_ORDER.indexOf(right.kind) || (left.name < right.name ? -1 : 1),
    );
}

function cycleProblems(resources: readonly Resource[]): readonly Problem[] {
  const cycle = findCycle(resources) ?? [];
  const first = resources.find(({ id }) => id === cycle[0]);
  if (first === undefined) return [];
  const { file, line, column } = first.origin;
  const message = `cannot order the resources: ${cycle.join(" needs ")}`;
  return [{ file, line, column, message, hint: "take one of these dependencies away" }];
}
