import { canonicalJson, type Digest } from "./digest.ts";
import type { ArtifactResource, DesiredGraph, KernelResource, Resource, ResourceId } from "./resource.ts";

/**
 * Digest of all that the commit says of an image: its own declaration, those of its roots, of what stands, is laid and is
 * done in them, and that of its kernel. How many generations are kept, when it is packed and where it is written down is
 * no part of it. undefined for what is no declared image.
 */
export function declarationDigest(graph: DesiredGraph, id: ResourceId, digest: Digest): string | undefined {
  const image = graph.resources.find((resource) => resource.id === id);
  if (image?.kind !== "artifact") return undefined;
  const below = graph.resources.filter((resource) => image.dependsOn.includes(resource.id));
  return digest(canonicalJson([imageDeclaration(image), ...below.map(declarationBelow)]));
}

function imageDeclaration(image: ArtifactResource): object {
  const { format, file, base, excludes, init, compression, sourceDate_s, target } = image;
  const { kernel, boot, bootCheck, modules, firmware } = image;
  const overlays = image.overlays.map(({ name, digest }) => `${name} ${digest}`);
  const nodes = image.nodes.map(({ content: _content, ...node }) => node);
  const made = { format, file, base, overlays, nodes, excludes, init, compression, sourceDate_s, target };
  return { ...made, kernel, boot, bootCheck, modules, firmware };
}

function declarationBelow(resource: Resource): object {
  const { id } = resource;
  if (resource.kind === "tree") return { id, source: resource.source, content: resource.content };
  if (resource.kind === "overlay") return { id, overlay: resource.overlay.digest };
  if (resource.kind === "provision") return { id, steps: resource.steps.map(({ key }) => key) };
  return resource.kind === "kernel" ? kernelDeclaration(resource) : { id };
}

function kernelDeclaration(kernel: KernelResource): object {
  const { id, source, added, required, architecture, triplet, crossPrefix, sourceDate_s } = kernel;
  const { initramfs, buildIn, modules, bootCheck } = kernel;
  const patches = kernel.patches.map(({ sha256 }) => sha256);
  const made = { id, source, patches, config: kernel.config.sha256, added, required, sourceDate_s };
  return { ...made, architecture, triplet, crossPrefix, initramfs, buildIn, modules, bootCheck };
}
