import type { ImageSpec } from "./types-image.ts";
import type { KernelConfigSpec } from "./types-kernel.ts";
import type { ProvisionSpec } from "./types-provision.ts";

export type { ImageSpec } from "./types-image.ts";
export type { KernelConfigSpec } from "./types-kernel.ts";

/** What people write: one YAML document each, as it stands after validation and before `compile`. */
export const API_VERSION = "rootloom/v1";

export interface DocumentMap {
  readonly Host: HostSpec;
  readonly Volume: VolumeSpec;
  readonly Root: RootSpec;
  readonly Overlay: OverlaySpec;
  readonly KernelConfig: KernelConfigSpec;
  readonly ArchTarget: ArchTargetSpec;
  readonly Image: ImageSpec;
}
export type DocumentKind = keyof DocumentMap;
export const DOCUMENT_KINDS: readonly DocumentKind[] = [
  "Host",
  "Volume",
  "Root",
  "Overlay",
  "KernelConfig",
  "ArchTarget",
  "Image",
];

export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Position of any place in a document: a path of keys and indexes, such as ["spec", "mounts", 0]. */
export type Locate = (path: readonly (string | number)[]) => Position;

export interface DocumentOf<K extends DocumentKind> {
  readonly kind: K;
  readonly name: string;
  readonly spec: DocumentMap[K];
  readonly locate: Locate;
}
export type Document = { [K in DocumentKind]: DocumentOf<K> }[DocumentKind];

/** Printed as `file:line:col: message: hint`. All problems of a tree are reported at once. */
export interface Problem extends Position {
  readonly message: string;
  readonly hint: string;
}

/** Strings such as "10GiB", "512M" or plain numbers of bytes. */
export type Size = string | number;
/** "user:group", names or numbers. */
export type OwnerText = string;
/** Octal in quotes: "0755". */
export type ModeText = string;
/** Names of ArchTargets; expands the document into one per target, named by `${target.name}`. */
export interface Matrix {
  readonly targets: readonly string[];
}

export interface HostSpec {
  readonly budget?: { readonly jobs?: number; readonly memory?: Size };
  readonly prune?: { readonly maxDeletions?: number };
  readonly drift?: { readonly policy?: "correct" | "report" };
  readonly retention?: { readonly generations?: number; readonly runs?: number };
  /** True: nothing is fetched over the network, only what the cache has is used. */
  readonly offline?: boolean;
  /** "60s", "5m", "1h": how often the daemon looks again without an event. */
  readonly interval?: string;
}

export interface VolumeSpec {
  readonly backend: "directory" | "btrfs" | "loop" | "zfs" | "lvm";
  /** Directory backend: where it stands; relative paths are below the state directory. Default `volumes/NAME`. */
  readonly path?: string;
  readonly dataset?: string;
  readonly group?: string;
  readonly logicalVolume?: string;
  readonly thinPool?: string;
  readonly image?: string;
  readonly size?: Size;
  readonly filesystem?: "ext4" | "xfs" | "btrfs";
  readonly label?: string;
  readonly mountPoint?: string;
  readonly mountOptions?: readonly string[];
  readonly owner?: OwnerText;
  readonly mode?: ModeText;
  readonly links?: readonly LinkSpec[];
  readonly onDelete?: "retain" | "destroy";
  readonly protect?: boolean;
  readonly matrix?: Matrix;
}

/** A symbolic link on the host: exact readlink, never nested. */
export interface LinkSpec {
  readonly path: string;
  readonly to: string;
}

export interface RootSpec {
  /** Not needed for a tarball that is only packed. */
  readonly volume?: string;
  /** Folder below the volume that is the root's top. Default `root`; for `existing` the volume itself. */
  readonly path?: string;
  readonly source: RootSourceSpec;
  readonly content?: "managed" | "live";
  readonly drift?: { readonly policy?: "correct" | "report" };
  readonly snapshots?: { readonly before: readonly ("provision" | "replace" | "restore")[]; readonly keep?: number };
  readonly provision?: ProvisionSpec;
  readonly mounts?: readonly MountSpec[];
  readonly links?: readonly LinkSpec[];
  readonly onDelete?: "retain" | "destroy";
  readonly protect?: boolean;
  readonly matrix?: Matrix;
}

/** Exactly one of these. */
export interface RootSourceSpec {
  readonly tarball?: TarballSpec;
  readonly mmdebstrap?: BootstrapSpec;
  readonly debootstrap?: BootstrapSpec & { readonly exclude?: readonly string[] };
  readonly clone?: { readonly root: string };
  readonly existing?: Readonly<Record<string, never>>;
}

/** Exactly one of `path` and `url`; at least one of the hashes, `digests` and `signature`. */
export interface TarballSpec {
  readonly path?: string;
  readonly url?: string;
  readonly sha256?: string;
  readonly sha512?: string;
  readonly digests?: string;
  readonly signature?: string;
  readonly keyring?: string;
  readonly maxSize?: Size;
  readonly sourceDate?: number | string;
}

export interface BootstrapSpec {
  readonly suite: string;
  readonly variant?: string;
  readonly include?: readonly string[];
  readonly architecture?: string;
  readonly mirror?: string;
  readonly components?: readonly string[];
  readonly keyring?: string;
}

export interface MountSpec {
  readonly target: string;
  readonly type: "bind" | "rbind" | "proc" | "tmpfs" | "sysfs" | "devtmpfs" | "squashfs" | "erofs";
  readonly source?: string;
  /** Instead of `source`: a Volume whose path is bound (shared caches). */
  readonly volume?: string;
  /** Of the volume: what of it is bound. It is made where it is missing, with this owner and mode. */
  readonly subdirectory?: string;
  readonly owner?: OwnerText;
  readonly mode?: ModeText;
  /** Instead of `source`: an Image. Its directory is bound, or it is mounted itself. */
  readonly image?: string;
  readonly options?: readonly string[];
  readonly propagation?: "private" | "slave" | "shared" | "rprivate" | "rslave" | "rshared";
  readonly namespace?: "host" | "private";
}

export interface OverlaySpec {
  readonly order?: number;
  /** `image` (default): a layer at packing. `root`: copied into the live roots named. */
  readonly into?: "image" | "root";
  readonly roots?: readonly string[];
  readonly drift?: { readonly policy?: "correct" | "report" };
  readonly sourceDate?: number | string;
  /** First match from the top wins for each of owner and mode. Globs: `*` within a name, `**` across. */
  readonly rules?: readonly { readonly path: string; readonly owner?: OwnerText; readonly mode?: ModeText }[];
  readonly directories?: readonly { readonly path: string; readonly owner?: OwnerText; readonly mode?: ModeText }[];
  readonly nodes?: readonly {
    readonly path: string;
    readonly type: "character" | "block" | "fifo";
    readonly major?: number;
    readonly minor?: number;
    readonly owner?: OwnerText;
    readonly mode?: ModeText;
  }[];
  readonly delete?: readonly string[];
  readonly onDelete?: "retain" | "destroy";
  readonly protect?: boolean;
}

export interface ArchTargetSpec {
  readonly cpu?: string;
  readonly kernelArch?: string;
  readonly triplet?: string;
  readonly crossPrefix?: string;
  readonly debianArchitecture?: string;
  readonly multilib?: boolean;
  /** Any names; reached as `${target.NAME}` in strings, together with the facts above. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Links on the host that stand as long as the target is declared. */
  readonly links?: readonly LinkSpec[];
  /** A file of `NAME='value'` lines with the variables, for `. FILE`. */
  readonly environmentFile?: string;
}
