import { toTreePath } from "../../core/entry.ts";
import { ARCHITECTURES } from "../../core/kernel.ts";
import type { KernelResource } from "../../core/resource.ts";
import { kernelEstimate_bytes } from "../../core/space.ts";
import { readKernelSymbols } from "../../documents/kconfig.ts";
import type { Files } from "../../host/ports.ts";
import type { SpaceNeed } from "../space.ts";
import type { ApplyContext } from "../types.ts";
import type { EmbeddedImage } from "./inputs.ts";
import { INSTALLED, regularFiles } from "./modules.ts";
import type { Workshop } from "./sandbox.ts";

/** Room that make needs, by the answered configuration: less what the last build left, which is gone on with. */
export async function buildNeed(
  { name }: Pick<KernelResource, "name">,
  config: string,
  initramfs: EmbeddedImage | undefined,
  { paths }: Pick<Workshop, "paths">,
  { host }: Pick<ApplyContext, "host">,
): Promise<SpaceNeed> {
  const symbols = readKernelSymbols([config]);
  const estimate_bytes = kernelEstimate_bytes({
    symbols: [...symbols.values()].filter((value) => value === "y" || value === "m").length,
    isDebug: symbols.get("DEBUG_INFO") === "y",
    embedded_bytes: initramfs?.size_bytes ?? 0,
  });
  const { size_bytes } = await host.jobs.run("measure", { path: paths.tree });
  return { path: paths.tree, needed_bytes: Math.max(0, estimate_bytes - size_bytes), what: `build kernel ${name}` };
}

/** Room that a new generation needs: what is taken into it of the tree that make left. */
export function placeNeed(
  { name, path, modules }: Pick<KernelResource, "name" | "path" | "modules">,
  { paths, toolchain }: Pick<Workshop, "paths" | "toolchain">,
  files: Files,
): SpaceNeed {
  const tree = files.openTree(paths.tree);
  try {
    const own = [ARCHITECTURES[toolchain.architecture].image, "System.map", ".config"].map(toTreePath);
    const taken = [...own, ...(modules === undefined ? [] : regularFiles(tree, toTreePath(INSTALLED)))];
    const sizes = taken.map((file) => tree.stat(tree.resolve(file) ?? file)?.size ?? 0);
    return { path, needed_bytes: sizes.reduce((sum, size) => sum + size, 0), what: `keep kernel ${name}` };
  } finally {
    tree.close();
  }
}
