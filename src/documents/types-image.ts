import type { Format, ImageCompression } from "../core/resource.ts";
import type { Matrix, Size } from "./types.ts";

/** What is built from a root, and what becomes of it. */
export interface ImageSpec {
  readonly root: string;
  /** Overlays beside `common`, which every image gets unless `common: false`: `hardware/NAME`, `secret-sauce/NAME`. */
  readonly overlays?: readonly string[];
  readonly common?: boolean;
  readonly kernel?: string;
  readonly target?: string;
  readonly format?: Format;
  readonly compression?: { readonly codec?: ImageCompression["codec"]; readonly level?: number };
  readonly exclude?: readonly string[];
  /** Generated excludes beside those. */
  readonly strip?: "packageManager";
  readonly sourceDate?: number | string;
  /** Of a generation: the image and what comes with it. */
  readonly maxSize?: Size;
  readonly init?: string;
  /** A kernel that is there: a file of the host, or of a root (default: the newest in its /boot); or one that is built. */
  readonly kernelImage?: { readonly path?: string; readonly root?: string; readonly kernel?: string };
  /** Kernel modules of a built kernel or of a root (default: the image's own). */
  readonly modules?: { readonly kernel?: string; readonly root?: string; readonly only?: readonly string[] };
  readonly firmware?: FirmwareSpec;
  /** How the initramfs comes with that kernel. */
  readonly boot?: BootFormSpec;
  readonly check?: { readonly boot?: BootCheckSpec };
  readonly publish?: PublishSpec;
  readonly pack?: "onChange" | "onApprove";
  /** `age`: "720h", "30d"; `keep`: names of generations. */
  readonly retention?: RetentionSpec;
  readonly onDelete?: "retain" | "destroy";
  readonly matrix?: Matrix;
}

/** Where the current version is put for others. */
export interface PublishSpec {
  readonly directory?: string;
  readonly ssh?: {
    readonly host: string;
    readonly path: string;
    readonly user: string;
    readonly port?: number;
    readonly identityFile: string;
    readonly knownHosts: string;
  };
  readonly keep?: number;
  readonly sign?: { readonly gpg?: string; readonly minisign?: string };
  readonly secret?: boolean;
  /** "1h". */
  readonly timeout?: string;
  readonly recheck?: string;
}

export interface BootFormSpec {
  readonly form: "uki" | "entry";
  readonly cmdline?: string;
  readonly stub?: string;
  readonly sign?: { readonly key: string; readonly certificate: string };
  /** Absolute: of the host; `root:PATH`: of the image's root; else of the commit. */
  readonly microcode?: string | readonly string[];
}

export interface BootCheckSpec {
  readonly expect: string;
  /** "90s", "2m". */
  readonly timeout?: string;
  readonly memory?: Size;
  readonly machine?: string;
  readonly cmdline?: string;
  readonly firmware?: string;
}

/** Patterns below the firmware folder of a root (default: the image's own), or below a folder of a volume. */
export interface FirmwareSpec {
  readonly root?: string;
  readonly volume?: { readonly name: string; readonly path?: string };
  readonly files: readonly string[];
}

/** Which generations are kept. */
export interface RetentionSpec {
  readonly generations?: number;
  readonly age?: string;
  readonly keep?: readonly string[];
}
