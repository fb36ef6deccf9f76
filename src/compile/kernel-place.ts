import { type CompileContext, type Expanded, findDocument, resolvePath } from "./context.ts";

/** Directory of the generations of a built kernel, and of the link `current`. */
export function kernelPlace(name: string, context: Pick<CompileContext, "state">): string {
  return resolvePath(context.state, `kernels/${name}`);
}

/**
 * Which kernel makes the modules of a KernelConfig: its own, but where the image that is embedded takes them. They have to be
 * there before that image then, and the kernel comes behind it.
 */
export function modulesKernel({ name, spec }: Expanded<"KernelConfig">, context: CompileContext): string {
  const embedded = findDocument(context, "Image", spec.initramfs);
  return embedded?.spec.modules?.kernel === name ? `${name}@modules` : name;
}
