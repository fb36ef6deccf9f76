import { toTreePath } from "../core/entry.ts";
import type { ArtifactResource, BootCheck, BootForm, KernelSource, MicrocodeSource } from "../core/resource.ts";
import { startSymbols } from "../documents/kconfig.ts";
import type { BootCheckSpec, BootFormSpec } from "../documents/types-image.ts";
import { parseInterval, parseSize } from "../documents/units.ts";
import { type CompileContext, cleanPath, type Expanded, findDocument, resourceId } from "./context.ts";
import { kernelPlace } from "./kernel-place.ts";
import { refuseKeyOfGit } from "./keys.ts";
import { rootPlace } from "./root-place.ts";

const TIMEOUT_S = 300;

/** The kernel of an image, how the two come together, and the check of their boot; what is not declared is left out. */
export function compileBoot(
  document: Expanded<"Image">,
  context: CompileContext,
): Pick<ArtifactResource, "kernel" | "symbols" | "boot" | "bootCheck"> {
  const { boot, check } = document.spec;
  const kernel = kernelOf(document, context);
  // One that is built was asked by Kconfig.
  const isAsked = kernel !== undefined && kernel.type !== "built";
  return {
    kernel,
    symbols: isAsked ? Object.fromEntries(startSymbols(document.spec)) : undefined,
    boot: boot === undefined ? undefined : compileForm(document, boot, context),
    bootCheck: check?.boot === undefined ? undefined : compileCheck(check.boot),
  };
}

function compileForm(
  document: Expanded<"Image">,
  { form, cmdline, stub, sign, microcode }: BootFormSpec,
  context: CompileContext,
): BootForm {
  if (sign !== undefined) refuseKeyOfGit(document, ["spec", "boot", "sign", "key"], sign.key, context);
  const updates = [microcode ?? []].flat().flatMap((path) => microcodeOf(document, path, context) ?? []);
  return {
    form,
    cmdline: cmdline ?? "",
    stub: stub ?? "",
    sign,
    microcode: updates.length === 0 ? undefined : updates,
  };
}

/** `root:lib/firmware/amd-ucode` is in the image's root, an absolute path of the host, any other in the documents' folder. */
function microcodeOf(document: Expanded<"Image">, path: string, context: CompileContext): MicrocodeSource | undefined {
  if (path.startsWith("/")) return { type: "host", path: cleanPath(path) };
  const at = ["spec", "boot", "microcode"];
  if (path.startsWith("root:")) {
    const place = rootPlace(findDocument(context, "Root", document.spec.root), context);
    const inside = toTreePath(cleanPath(path.slice("root:".length)).slice(1));
    if (place !== undefined) return { type: "tree", tree: place.tree, top: place.path, path: inside };
    const message = `cannot take microcode from Root ${document.spec.root}: it has no volume`;
    context.report(document, at, message, "give the root a volume, or name a file of the host");
    return undefined;
  }
  const file = context.file(path);
  if (file !== undefined) return { type: "desired", file };
  const message = `cannot read the microcode \`${path}\`: it is not in the folder of the documents`;
  context.report(document, at, message, "commit it there, or write an absolute path, or root:PATH for one in the root");
  return undefined;
}

/** As declared; what is not has its usual value. */
export function compileCheck({ expect, timeout, memory, machine, cmdline = "", firmware }: BootCheckSpec): BootCheck {
  return {
    expect,
    timeout_s: parseInterval(timeout) ?? TIMEOUT_S,
    memory_bytes: parseSize(memory),
    machine,
    cmdline,
    firmware,
  };
}

function kernelOf(document: Expanded<"Image">, context: CompileContext): KernelSource | undefined {
  const { kernelImage, kernel: named, boot, check } = document.spec;
  if (kernelImage === undefined) {
    const isStarted = boot !== undefined || check?.boot !== undefined;
    return isStarted ? builtKernel(document, named, ["spec", "kernel"], context) : undefined;
  }
  if (kernelImage.kernel !== undefined)
    return builtKernel(document, kernelImage.kernel, ["spec", "kernelImage", "kernel"], context);
  const { root: name, path = "" } = kernelImage;
  if (name === undefined) return { type: "file", path };
  const root = findDocument(context, "Root", name);
  const place = rootPlace(root, context);
  if (place !== undefined) return { type: "tree", tree: place.tree, top: place.path, path: toTreePath(path.slice(1)) };
  const message = `cannot take the kernel of Image ${document.name} from Root ${name}: it has no volume`;
  const hint = "give the root a volume, or name a kernel of the host by its path alone";
  if (root !== undefined) context.report(document, ["spec", "kernelImage", "root"], message, hint);
  return undefined;
}

function builtKernel(
  document: Expanded<"Image">,
  name: string | undefined,
  at: readonly string[],
  context: CompileContext,
): KernelSource | undefined {
  const declared = findDocument(context, "KernelConfig", name);
  if (declared === undefined) return undefined;
  if (declared.spec.source !== undefined) {
    const path = `${kernelPlace(declared.name, context)}/current/kernel`;
    return { type: "built", kernel: resourceId("kernel", declared.name), path };
  }
  const message = `cannot boot Image ${document.name} with kernel ${declared.name}: that is not built`;
  context.report(document, at, message, "give the KernelConfig a `source`");
  return undefined;
}
