import { canonicalJson, type Digest } from "./digest.ts";
import type { ArtifactResource, DesiredGraph, KernelResource, Resource, ResourceId } from "./resource.ts";

/**
 * Digest of all that the commit says of an image: its own declaration, and those of its roots and of what stands or is
 * laid in them. How many generations are kept, when it is packed and where it is written down is no part of it. undefined
 * for what is no declared image.
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
  return resource.kind === "kernel" ? kernelDeclaration(resource) : { id };
}

function kernelDeclaration(kernel: KernelResource): object {
  const { id, source, config, added, required, architecture, sourceDate_s } = kernel;
  const patches = kernel.patches.map(({ sha256 }) => sha256);
  return { id, source, patches, config: config.sha256, added, required, architecture, sourceDate_s };
}
