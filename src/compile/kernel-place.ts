import { type CompileContext, type Expanded, resolvePath } from "./context.ts";

/** Directory of the generations of a built kernel, and of the link `current`. */
export function kernelPlace({ name }: Expanded<"KernelConfig">, context: Pick<CompileContext, "state">): string {
  return resolvePath(context.state, `kernels/${name}`);
}
