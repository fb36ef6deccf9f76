import { toTreePath } from "../core/entry.ts";
import type { ArtifactResource, PickedFirmware, PickedModules, ResourceId } from "../core/resource.ts";
import { type CompileContext, type Expanded, findDocument, resourceId } from "./context.ts";
import { kernelPlace, modulesKernel } from "./kernel-place.ts";
import { type RootPlace, rootPlace } from "./root-place.ts";
import { volumePath } from "./volumes.ts";

/** What an image has of the root's own is left out: it has one set of modules, and the firmware that was picked. */
const EXCLUDES = {
  modules: ["lib/modules/*", "usr/lib/modules/*"],
  firmware: ["lib/firmware/*", "usr/lib/firmware/*"],
} as const;

const FIRMWARE = toTreePath("lib/firmware");

/** The modules and the firmware that an image picks, with what they need and what they replace. */
export function compilePicked(
  document: Expanded<"Image">,
  context: CompileContext,
): {
  readonly picked: Pick<ArtifactResource, "modules" | "firmware">;
  readonly dependsOn: readonly ResourceId[];
  readonly excludes: readonly string[];
} {
  const modules = modulesOf(document, context);
  const firmware = firmwareOf(document, context);
  const from = modules?.from;
  return {
    picked: { modules, firmware },
    dependsOn: [
      ...(from === undefined ? [] : [from.type === "kernel" ? from.kernel : from.tree]),
      ...(firmware === undefined ? [] : [firmware.place]),
    ],
    excludes: [
      ...(modules === undefined ? [] : EXCLUDES.modules),
      ...(firmware === undefined ? [] : EXCLUDES.firmware),
    ],
  };
}

function modulesOf(document: Expanded<"Image">, context: CompileContext): PickedModules | undefined {
  const { modules, root } = document.spec;
  if (modules === undefined) return undefined;
  const { kernel: name, only } = modules;
  if (name === undefined) {
    const place = placeOf(document, modules.root ?? root, "modules", context);
    return place === undefined ? undefined : { from: { type: "tree", tree: place.tree, top: place.path }, only };
  }
  const kernel = findDocument(context, "KernelConfig", name);
  if (kernel === undefined) return undefined;
  if (kernel.spec.modules !== undefined) {
    const maker = modulesKernel(kernel, context);
    const path = kernelPlace(maker, context);
    return { from: { type: "kernel", kernel: resourceId("kernel", maker), path }, only };
  }
  const message = `cannot take the modules of kernel ${name} into Image ${document.name}: they are not made`;
  context.report(document, ["spec", "modules", "kernel"], message, "write `modules: {}` into the KernelConfig");
  return undefined;
}

function firmwareOf(document: Expanded<"Image">, context: CompileContext): PickedFirmware | undefined {
  const { firmware, root } = document.spec;
  if (firmware === undefined) return undefined;
  const { files, volume } = firmware;
  if (volume === undefined) {
    const place = placeOf(document, firmware.root ?? root, "firmware", context);
    return place === undefined ? undefined : { top: place.path, folder: FIRMWARE, place: place.tree, files };
  }
  const declared = findDocument(context, "Volume", volume.name);
  if (declared === undefined) return undefined;
  const folder = toTreePath(volume.path ?? "");
  return { top: volumePath(declared, context), folder, place: resourceId("volume", volume.name), files };
}

function placeOf(
  document: Expanded<"Image">,
  name: string,
  what: "modules" | "firmware",
  context: CompileContext,
): RootPlace | undefined {
  const root = findDocument(context, "Root", name);
  const place = rootPlace(root, context);
  if (place !== undefined || root === undefined) return place;
  const message = `cannot take ${what} of Root ${name} into Image ${document.name}: it has no volume`;
  context.report(document, ["spec", what], message, "give the root a volume, or name another place");
  return undefined;
}
