import type { Matrix, Size, TarballSpec } from "./types.ts";
import type { BootCheckSpec, PublishSpec, RetentionSpec } from "./types-image.ts";

/** A kernel's configuration; with a source, a kernel that is built. */
export interface KernelConfigSpec {
  /** File beside the document. */
  readonly config: string;
  readonly fragments?: readonly string[];
  /** Symbols that must hold: `RD_GZIP: y`. */
  readonly require?: Readonly<Record<string, string | number | boolean>>;
  readonly needs?: "demand" | "add";
  readonly source?: KernelSourceSpec;
  /** Below the folder of the documents. */
  readonly patches?: readonly string[];
  readonly target?: string;
  /** An Image. */
  readonly initramfs?: string;
  /** A Root whose make and compilers are used. */
  readonly buildIn?: string;
  readonly modules?: { readonly strip?: boolean };
  /** Of the built kernel, with the image in it where one is. */
  readonly maxSize?: Size;
  readonly check?: { readonly boot?: Omit<BootCheckSpec, "firmware"> };
  readonly publish?: PublishSpec;
  readonly sourceDate?: number | string;
  readonly retention?: RetentionSpec;
  readonly protect?: boolean;
  readonly onDelete?: "retain" | "destroy";
  readonly matrix?: Matrix;
}

/** Exactly one of these. */
export interface KernelSourceSpec {
  readonly directory?: string;
  readonly volume?: { readonly name: string; readonly path?: string };
  readonly tarball?: TarballSpec;
  readonly package?: { readonly name: string; readonly version?: string };
}
