import type { ArtifactResource } from "../../core/resource.ts";
import type { ObserveContext } from "../types.ts";

// What an image does not declare needs no module: half of a short command is the loading of its modules.

/** What keeps the tools of its format or of its signature from making it. */
export async function toolProblem(resource: ArtifactResource, host: ObserveContext["host"]) {
  const { format, boot } = resource;
  const ofFormat = format === "initramfs" ? undefined : (await import("./filesystem.ts")).formatProblem(resource, host);
  if (ofFormat !== undefined || boot === undefined) return ofFormat;
  return (await import("./sign.ts")).signProblem(resource, host);
}

/** What a boot check has found of a generation. */
export async function observeBootCheck(resource: ArtifactResource, generation: string, host: ObserveContext["host"]) {
  if (resource.bootCheck === undefined) return undefined;
  return (await import("./health.ts")).observeCheck(resource, generation, host);
}

/** What its boot tree depends on; empty where it has none. */
export async function inputsOfBoot(resource: ArtifactResource, host: ObserveContext["host"]) {
  if (resource.boot === undefined) return {};
  const { bootInputs, readBootParts } = await import("./boot-tree.ts");
  return bootInputs(readBootParts(resource, host.files));
}

/** The layers of modules and firmware, where some are picked. */
export async function layersPicked(resource: ArtifactResource, context: ObserveContext) {
  if (resource.modules === undefined && resource.firmware === undefined) return [];
  return (await import("./picked.ts")).pickedLayers(resource, context);
}

/** Makes the tarball of an image without a volume readable. */
export async function provideTarball(resource: ArtifactResource, context: ObserveContext): Promise<void> {
  if (resource.base.type === "tarball") await (await import("./tarball.ts")).provideBase(resource, context);
}

/** Reads how the kernel is configured, where symbols of it are asked for. */
export async function checkSymbols(resource: ArtifactResource, context: ObserveContext): Promise<void> {
  if (resource.symbols !== undefined) await (await import("./kernel-symbols.ts")).checkKernelSymbols(resource, context);
}
