import type { KernelArchitecture } from "./resource.ts";

/** What make is asked for, and where it puts it in its build directory. */
export interface ArchitectureFacts {
  readonly target: string;
  readonly image: string;
  /** Folder below `arch/`. */
  readonly folder: string;
}

/** Every architecture that kernels are built for, in one list. */
export const ARCHITECTURES: Readonly<Record<KernelArchitecture, ArchitectureFacts>> = {
  x86_64: { target: "bzImage", image: "arch/x86/boot/bzImage", folder: "x86" },
  i386: { target: "bzImage", image: "arch/x86/boot/bzImage", folder: "x86" },
  arm64: { target: "Image.gz", image: "arch/arm64/boot/Image.gz", folder: "arm64" },
};

/** The architecture that a processor (`i686`), the kernel's own name (`x86`) or a triplet (`aarch64-linux-gnu`) means. */
export function architectureOf(name: string): KernelArchitecture | undefined {
  if (/^(x86_64|amd64)(-|$)/.test(name)) return "x86_64";
  if (/^(i[3-6]86|x86)(-|$)/.test(name)) return "i386";
  return /^(aarch64|arm64)(-|$)/.test(name) ? "arm64" : undefined;
}
