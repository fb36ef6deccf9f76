import { FORMATS } from "../core/format.ts";
import { architectureOf } from "../core/kernel.ts";
import type {
  ArtifactResource,
  DesiredFile,
  KernelResource,
  KernelTree,
  PublishResource,
  ResourceId,
} from "../core/resource.ts";
import { imageSymbols, ownSymbols } from "../documents/kconfig.ts";
import type { KernelSourceSpec } from "../documents/types-kernel.ts";
import { parseDate, parseSize } from "../documents/units.ts";
import { compileCheck } from "./boot.ts";
import {
  type CompileContext,
  type Expanded,
  findDocument,
  mergedKey,
  ofKind,
  originOf,
  resolvePath,
  resourceId,
} from "./context.ts";
import { generationPolicy } from "./generations.ts";
import { kernelPlace, modulesKernel } from "./kernel-place.ts";
import { compilePublish } from "./publish.ts";
import { rootPlace } from "./root-place.ts";
import { tarballSource } from "./sources.ts";
import { volumePath } from "./volumes.ts";

/** Of one compiler at work; a budget of memory that is smaller allows fewer of them. */
const JOB_BYTES = 512 * 1024 ** 2;

const MODULES = [["MODULES", "y"]] as const;

type KernelDocument = Expanded<"KernelConfig">;

/**
 * What a configuration with a source is built to: a kernel, behind its modules where the image in it takes them, and where it
 * is published. `images`: one of them may be embedded.
 */
export function compileKernels(
  document: KernelDocument,
  images: readonly ArtifactResource[],
  context: CompileContext,
): readonly (KernelResource | PublishResource)[] {
  const kernel = compileKernel(document, images, context);
  if (kernel === undefined) return [];
  const published = publishOf(document, kernel, images, context);
  const maker = modulesKernel(document, context);
  if (kernel.modules === undefined || maker === kernel.name) return [kernel, ...published];
  const path = kernelPlace(maker, context);
  const first: KernelResource = {
    ...kernel,
    ...{ id: resourceId("kernel", maker), name: maker, path, identity: `path:${path}`, modulesOf: kernel.name },
    ...{ initramfs: undefined, bootCheck: undefined, maxSize_bytes: undefined },
    dependsOn: kernel.dependsOn.filter((id) => id !== kernel.initramfs?.artifact),
  };
  return [first, { ...kernel, modules: undefined }, ...published];
}

function publishOf(
  document: KernelDocument,
  kernel: KernelResource,
  images: readonly ArtifactResource[],
  context: CompileContext,
): readonly PublishResource[] {
  const { name } = document;
  const image = images.find(({ id }) => id === kernel.initramfs?.artifact);
  const made = { ...kernel, secretOverlay: image?.secretOverlay, embedded: image?.path };
  const published = compilePublish(document, made, context);
  if (published === undefined) return [];
  if (findDocument(context, "Image", name)?.spec.publish === undefined) return [published];
  const message = `cannot publish KernelConfig ${name}: Image ${name} is published under that name`;
  context.report(document, ["spec", "publish"], message, "give one of the two another name");
  return [];
}

/** undefined where it is only checked, or cannot be read. */
function compileKernel(
  document: KernelDocument,
  images: readonly ArtifactResource[],
  context: CompileContext,
): KernelResource | undefined {
  const { name, spec } = document;
  const merged = context.merged.get(kernelConfigKey(name));
  if (spec.source === undefined || merged === undefined) return undefined;
  const source = sourceOf(document, spec.source, context);
  const initramfs = initramfsOf(document, images, context);
  const buildIn = buildRootOf(document, context);
  const { jobs, memory_bytes } = context.policy;
  const path = kernelPlace(name, context);
  return {
    id: resourceId("kernel", name),
    kind: "kernel",
    name,
    identity: `path:${path}`,
    dependsOn: [
      ...source.dependsOn,
      ...(initramfs === undefined ? [] : [initramfs.artifact]),
      ...(buildIn === undefined ? [] : [buildIn.tree, resourceId("provision", spec.buildIn ?? "")]),
    ],
    origin: originOf(document),
    protect: spec.protect ?? false,
    onDelete: spec.onDelete ?? "retain",
    path,
    source: source.tree,
    patches: (spec.patches ?? []).flatMap((patch, index) => patchOf(patch, index, document, context)),
    config: { path: spec.config, sha256: merged.sha256, content: merged.content },
    ...symbolsOf(document, context),
    ...targetOf(document, context),
    initramfs,
    buildIn,
    modules: spec.modules === undefined ? undefined : { strip: spec.modules.strip ?? false },
    maxSize_bytes: parseSize(spec.maxSize),
    bootCheck: spec.check?.boot === undefined ? undefined : compileCheck(spec.check.boot),
    sourceDate_s: parseDate(spec.sourceDate) ?? 0,
    ...generationPolicy(spec.retention, context),
    jobs: Math.max(1, Math.min(jobs, Math.floor(memory_bytes / JOB_BYTES))),
  };
}

/** Under which a kernel's configuration and fragments, joined, stand among the merged contents: no path is empty. */
export function kernelConfigKey(name: string): string {
  return mergedKey(["", name]);
}

function sourceOf(
  document: KernelDocument,
  { directory, volume, tarball, package: of }: KernelSourceSpec,
  context: CompileContext,
): { readonly tree: KernelTree; readonly dependsOn: readonly ResourceId[] } {
  if (tarball !== undefined) return { tree: tarballSource(tarball, document, context), dependsOn: [] };
  if (of !== undefined) return { tree: { type: "package", name: of.name, version: of.version }, dependsOn: [] };
  const declared = findDocument(context, "Volume", volume?.name);
  if (declared === undefined) return { tree: { type: "directory", path: directory ?? "" }, dependsOn: [] };
  const path = resolvePath(volumePath(declared, context), volume?.path ?? "");
  return { tree: { type: "directory", path }, dependsOn: [resourceId("volume", declared.name)] };
}

function patchOf(
  path: string,
  index: number,
  document: KernelDocument,
  context: CompileContext,
): readonly DesiredFile[] {
  const found = context.file(path);
  if (found !== undefined && found.content !== "") return [found];
  const why = found === undefined ? "it is not in the folder of the documents" : "it is read as a document";
  const hint = found === undefined ? "commit it there, or correct the path" : "let its name end in .patch";
  context.report(document, ["spec", "patches", index], `cannot use the patch \`${path}\`: ${why}`, hint);
  return [];
}

/** What its own document requires of it, and each image that names it. */
function symbolsOf(
  { name, spec }: KernelDocument,
  context: CompileContext,
): Pick<KernelResource, "added" | "required"> {
  const isFor = ({ name: image, spec: its }: Expanded<"Image">) =>
    image === spec.initramfs || its.kernel === name || its.kernelImage?.kernel === name;
  const needed = ofKind(context, "Image")
    .filter(isFor)
    .flatMap((image) => [...imageSymbols(image.spec)]);
  return {
    added: spec.needs === "add" ? sorted([...needed, ...(spec.modules === undefined ? [] : MODULES)]) : {},
    required: sorted([...needed, ...(spec.modules === undefined ? [] : MODULES), ...ownSymbols(spec)]),
  };
}

function sorted(symbols: readonly (readonly [string, string])[]): Readonly<Record<string, string>> {
  return Object.fromEntries([...new Map(symbols)].sort(([one], [other]) => (one < other ? -1 : 1)));
}

function targetOf(
  document: KernelDocument,
  context: CompileContext,
): Pick<KernelResource, "architecture" | "triplet" | "crossPrefix"> {
  const target = findDocument(context, "ArchTarget", document.target ?? document.spec.target);
  if (target === undefined) return { architecture: undefined, triplet: undefined, crossPrefix: undefined };
  const { cpu, kernelArch, triplet, crossPrefix } = target.spec;
  const said = cpu ?? triplet ?? kernelArch ?? "";
  const architecture = architectureOf(said);
  if (architecture === undefined) {
    const message = `cannot build kernel ${document.name} for ArchTarget ${target.name}: its architecture is ${said === "" ? "not said" : said}`;
    context.report(document, ["spec", "target"], message, "kernels are built for cpu x86_64, i686 and aarch64");
  }
  return { architecture, triplet, crossPrefix };
}

function buildRootOf(document: KernelDocument, context: CompileContext): KernelResource["buildIn"] {
  const { buildIn } = document.spec;
  const root = findDocument(context, "Root", buildIn);
  const place = rootPlace(root, context);
  if (place !== undefined) return { tree: place.tree, path: place.path };
  const message = `cannot build kernel ${document.name} in Root ${buildIn}: it has no volume`;
  if (root !== undefined) context.report(document, ["spec", "buildIn"], message, "give the root a volume");
  return undefined;
}

function initramfsOf(
  document: KernelDocument,
  images: readonly ArtifactResource[],
  context: CompileContext,
): KernelResource["initramfs"] {
  const image = images.find(({ name }) => name === document.spec.initramfs);
  if (image === undefined) return undefined;
  const { id: artifact, path, file, format, secretOverlay } = image;
  if (format === "initramfs") return { artifact, path, file, secret: secretOverlay !== undefined };
  const message = `cannot embed Image ${image.name} in kernel ${document.name}: its format is ${format}`;
  context.report(
    document,
    ["spec", "initramfs"],
    message,
    `take \`format: ${format}\` from the image: ${FORMATS.initramfs.file} is embedded`,
  );
  return undefined;
}
