import { join } from "node:path";
import type { PackInput } from "../../src/host/jobs.ts";
import { overlay, overlayFile, packInput, treeLayer } from "./inputs.ts";

export const VARIANTS = 3;

/** What each variant of the image is packed from: one tree, another overlay. */
export function inputOf(work: string, cache: string, variant: number): PackInput {
  const file = overlayFile(join(work, `store-${variant}`), "etc/variant", `variant ${variant}\n`);
  return packInput(cache, [treeLayer(join(work, "root")), overlay("common", [file])]);
}
