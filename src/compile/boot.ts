import { toTreePath } from "../core/entry.ts";
import type { ArtifactResource, BootCheck, KernelSource } from "../core/resource.ts";
import { parseInterval, parseSize } from "../documents/units.ts";
import { type CompileContext, type Expanded, findDocument, resolvePath } from "./context.ts";
import { rootPlace } from "./root-place.ts";

const TIMEOUT_S = 120;

/** The kernel that an image is booted with, and the check of its boot; neither where none is declared. */
export function compileBoot(
  document: Expanded<"Image">,
  context: CompileContext,
): Pick<ArtifactResource, "kernel" | "bootCheck"> {
  const kernel = kernelOf(document, context);
  const boot = document.spec.check?.boot;
  if (boot === undefined) return kernel === undefined ? {} : { kernel };
  const { expect, timeout, memory, machine, cmdline = "" } = boot;
  const bootCheck: BootCheck = {
    expect,
    timeout_s: (timeout === undefined ? undefined : parseInterval(timeout)) ?? TIMEOUT_S,
    memory_bytes: memory === undefined ? undefined : parseSize(memory),
    machine,
    cmdline,
  };
  return kernel === undefined ? { bootCheck } : { kernel, bootCheck };
}

function kernelOf(document: Expanded<"Image">, context: CompileContext): KernelSource | undefined {
  const { kernelImage } = document.spec;
  if (kernelImage === undefined) return undefined;
  const { root: name, path } = kernelImage;
  const clean = path === undefined ? "" : resolvePath("/", path);
  if (name === undefined) return { type: "file", path: clean };
  const root = findDocument(context, "Root", name);
  const place = root === undefined ? undefined : rootPlace(root, context);
  if (place !== undefined) return { type: "tree", tree: place.tree, top: place.path, path: toTreePath(clean.slice(1)) };
  const message = `cannot take the kernel of Image ${document.name} from Root ${name}: it has no volume`;
  const hint = "give the root a volume, or name a kernel of the host by its path alone";
  if (root !== undefined) context.report(document, ["spec", "kernelImage", "root"], message, hint);
  return undefined;
}
