import type { Json } from "./digest.ts";
import type { TreePath } from "./entry.ts";

/**
 * Desired resources: one thing on the host that a pass manages. `compile` makes them from
 * documents; they are plain data. `ResourceMap` is the one list of kinds: a new kind added here fails
 * to compile until its planner, observer, executors and report texts exist.
 */
export interface ResourceMap {
  readonly volume: VolumeResource;
  readonly tree: TreeResource;
  readonly overlay: OverlayResource;
  readonly mount: MountResource;
  readonly link: LinkResource;
  readonly environment: EnvironmentResource;
  readonly provision: ProvisionResource;
  readonly artifact: ArtifactResource;
  readonly kernel: KernelResource;
  readonly publish: PublishResource;
}
export type ResourceKind = keyof ResourceMap;
export type Resource = ResourceMap[ResourceKind];
/** `kind/name`, unique in a desired graph. */
export type ResourceId = `${ResourceKind}/${string}`;

export interface Origin {
  /** What the user wrote: `Root/debian`. */
  readonly document: string;
  /** Path inside the repository, with its position. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

interface ResourceBase<K extends ResourceKind> {
  readonly id: ResourceId;
  readonly kind: K;
  readonly name: string;
  /** Physical identity (`path:/srv/x`, `dataset:tank/x`, `lv:vg/x`, `mount:/target`): two resources never share one. */
  readonly identity: string;
  readonly dependsOn: readonly ResourceId[];
  readonly origin: Origin;
  readonly protect: boolean;
  readonly onDelete: "retain" | "destroy";
}

/** Names or numbers; names resolve in the host's passwd for volumes and in the root's own for overlays. */
export interface Ownership {
  readonly owner: string | number;
  readonly group: string | number;
}

export type Backend = "directory" | "btrfs" | "loop" | "zfs" | "lvm";

export interface VolumeResource extends ResourceBase<"volume"> {
  readonly backend: Backend;
  /** Absolute path at which the volume's content is reached (a directory volume's own path, else its mount point). */
  readonly path: string;
  /** What the backend calls it (dataset, `group/volume`, image file); empty for a directory. */
  readonly device: string;
  readonly size_bytes: number | undefined;
  readonly filesystem: string | undefined;
  readonly label: string | undefined;
  /** lvm: the thin pool of its group that it lives in; undefined for a volume with blocks of its own. */
  readonly thinPool?: string | undefined;
  readonly mountOptions: readonly string[];
  readonly ownership: Ownership;
  readonly mode: number;
  /** The volume that it is made as a clone of, where that can be; it is filled by hand where it cannot. */
  readonly cloneOf?: VolumeOrigin | undefined;
}

/** How a clone of a root comes with a volume of its own: the volume of its origin is cloned, with all in it. */
export interface VolumeOrigin {
  readonly volume: Pick<VolumeResource, "id" | "name" | "backend" | "path" | "device">;
  /** The one root in it. */
  readonly tree: Pick<TreeResource, "id" | "name" | "path" | "volumePath" | "volume">;
  /** For people: `zfs clone`. */
  readonly means: string;
}

/** A file of `desired/` that a source needs: as it is written there, what it holds, and a cached copy of it. */
export interface DesiredFile {
  readonly path: string;
  readonly sha256: string;
  readonly content: string;
}

export interface TarballSource {
  readonly type: "tarball";
  /** An absolute path, or an https: or http: address. */
  readonly location: string;
  readonly sha256?: string | undefined;
  readonly sha512?: string | undefined;
  /** List of hashes: an absolute path, or an address. */
  readonly digests?: string | undefined;
  /** Detached OpenPGP signature of the digests where there are any, else of the tarball. */
  readonly signature?: string | undefined;
  readonly keyring?: DesiredFile | undefined;
  /** Neither the tarball nor what it unpacks to is larger. */
  readonly maxSize_bytes?: number | undefined;
  readonly sourceDate_s: number;
}

export interface BootstrapSource {
  readonly type: "mmdebstrap" | "debootstrap";
  readonly suite: string;
  readonly variant: string;
  readonly include: readonly string[];
  /** Of debootstrap only. */
  readonly exclude?: readonly string[] | undefined;
  readonly architecture: string | undefined;
  readonly mirror: string | undefined;
  readonly components: readonly string[];
  readonly keyring?: DesiredFile | undefined;
}

/** A copy of another tree of this host. Where that one stands is looked up by its id when the copy is made. */
export interface CloneSource {
  readonly type: "clone";
  readonly tree: ResourceId;
  readonly path: string;
  readonly volumePath: string;
  /** `zfs clone`, where it comes with its volume, which is made as a clone of its origin's; `plain copy` where blocks cannot be shared. */
  readonly means?: string | undefined;
}

export type TreeSource = TarballSource | BootstrapSource | CloneSource | { readonly type: "existing" };

/** Which changes of a root a snapshot is taken before, and how many of those stay. */
export interface SnapshotPolicy {
  readonly before: readonly ("provision" | "replace" | "restore")[];
  readonly keep: number;
}

export interface TreeResource extends ResourceBase<"tree"> {
  readonly volume: ResourceId;
  readonly volumePath: string;
  /** Absolute path of the tree's top: the volume's path, or one folder below it. */
  readonly path: string;
  readonly source: TreeSource;
  readonly content: "managed" | "live";
  readonly driftPolicy: "correct" | "report";
  /**
   * Tree paths that overlays lay into this tree: their drift is theirs, not the tree's. One that ends in a
   * slash is a directory that an overlay may make: itself is left out, what lies below it is not.
   */
  readonly laidPaths: readonly TreePath[];
  readonly snapshots?: SnapshotPolicy | undefined;
  /** Steps change it after it was filled: while they do, it is not compared with its manifest. */
  readonly provisioned?: { readonly packages: readonly PackageWork[] } | undefined;
}

/** What one step of provisioning does. */
export type ProvisionWork =
  | { readonly type: "script"; readonly text: string }
  | { readonly type: "commands"; readonly commands: readonly (readonly string[])[] }
  | PackageWork;

export interface PackageWork {
  readonly type: "packages";
  readonly adapter: "apt" | "portage" | "command";
  readonly install: readonly string[];
  readonly remove: readonly string[];
  readonly refresh: boolean;
  readonly recommends: boolean;
  /** Shell scripts; of the adapter `command` only. */
  readonly commands?: { readonly list: string; readonly install: string; readonly remove: string } | undefined;
}

export interface ProvisionStep {
  readonly name: string;
  readonly where: "root" | "host";
  readonly work: ProvisionWork;
  readonly environment: Readonly<Record<string, string>>;
  /** Names of variables, and the absolute paths of the host's files that have their values. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly timeout_s: number;
  /** Digest of all that decides what the step does, and of the steps before it. */
  readonly key: string;
}

/** What is done inside a root once it stands, step by step. */
export interface ProvisionResource extends ResourceBase<"provision"> {
  readonly tree: ResourceId;
  readonly root: TreeResource;
  /** Private mounts of the root, which the steps see. */
  readonly mounts: readonly MountResource[];
  /** `host`: the steps see the host's /etc/resolv.conf. */
  readonly resolvConf: "host" | "keep";
  readonly steps: readonly ProvisionStep[];
}

/** An entry of an overlay: git's file with the rules applied. Names in owner and group still unresolved. */
export interface OverlayEntry extends Ownership {
  readonly path: TreePath;
  readonly type: "file" | "directory" | "symlink" | "character" | "block" | "fifo";
  readonly mode: number;
  readonly size: number;
  readonly sha256: string;
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  /** Absolute host path of a cached file with the content of a regular file; empty for all else. */
  readonly content: string;
  /** False for a directory that is only the parent of something: it takes an existing directory's attributes as they are. */
  readonly explicit: boolean;
}

/** The tree of one overlay, complete and sorted by path; independent of who checked the repository out. */
export interface OverlayTree {
  readonly name: string;
  /** common 10, hardware 20, secret-sauce 30, unless overlay.yaml says otherwise. */
  readonly order: number;
  readonly entries: readonly OverlayEntry[];
  /** Tree paths removed from what lies below, before the entries are laid. */
  readonly deletions: readonly TreePath[];
  readonly sourceDate_s: number;
  /** Digest of all of the above but the content paths. */
  readonly digest: string;
  /** True for overlays/secret-sauce: contents never reach a report. */
  readonly secret: boolean;
}

export interface OverlayResource extends ResourceBase<"overlay"> {
  readonly tree: ResourceId;
  readonly treePath: string;
  readonly volumePath: string;
  readonly overlay: OverlayTree;
  readonly driftPolicy: "correct" | "report";
}

export interface MountResource extends ResourceBase<"mount"> {
  /**
   * Absolute target on the host: `within` (the tree's path) with the target inside the root behind it.
   * What lies below `within` is resolved as if chrooted there (empty: the host).
   */
  readonly target: string;
  readonly within: string;
  readonly type: "bind" | "rbind" | "proc" | "tmpfs" | "sysfs" | "devtmpfs" | "squashfs" | "erofs";
  /** Absolute path for binds and image files, by way of `current` for those of an artifact; a label such as `proc` for the others. */
  readonly source: string;
  /** What the source is in: nothing is mounted from a place where it should be mounted and is not. */
  readonly volume?: { readonly id: ResourceId; readonly path: string } | undefined;
  /** Directory of that volume, made where it is missing; owner and mode are kept where they are declared. */
  readonly folder?:
    | { readonly path: string; readonly ownership: Ownership | undefined; readonly mode: number | undefined }
    | undefined;
  /** Whose current generation the source is. */
  readonly artifact?: ResourceId | undefined;
  readonly options: readonly string[];
  readonly propagation: "private" | "slave" | "shared" | "rprivate" | "rslave" | "rshared" | undefined;
  readonly namespace: "host" | "private";
  readonly tree: ResourceId | undefined;
  /** Of a private one: the private mounts above it, parents first, which must be made before it. Theirs are left out. */
  readonly above?: readonly MountResource[];
}

export interface LinkResource extends ResourceBase<"link"> {
  readonly path: string;
  readonly target: string;
}

export interface EnvironmentResource extends ResourceBase<"environment"> {
  readonly path: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly mode: number;
}

export interface Compression {
  readonly codec: "gzip" | "zstd" | "none";
  readonly level: number;
}

/** What an image is: an archive that the packer writes, or a filesystem that its own tool makes. `core/format.ts` has the facts. */
export type Format = "initramfs" | "squashfs" | "erofs";

/** How an image of any format is compressed. `level` 0: the codec has no levels. */
export interface ImageCompression {
  readonly codec: "gzip" | "zstd" | "xz" | "lz4" | "lz4hc" | "none";
  readonly level: number;
}

/** Where an image's lowest layer comes from: a tree on a volume, or a tarball read without extracting it. */
export type BaseLayer =
  | {
      readonly type: "tree";
      readonly tree: ResourceId;
      readonly path: string;
      readonly volumePath: string;
      /** `release`: when the release in the tree was made, read from its os-release; undefined: entries keep their times. */
      readonly sourceDate_s: number | "release" | undefined;
      readonly content: "managed" | "live";
    }
  | {
      readonly type: "tarball";
      readonly location: string;
      readonly sha256: string;
      readonly sourceDate_s: number;
      /** It unpacks to no more. */
      readonly maxSize_bytes?: number | undefined;
    };

/** A kernel that is there: a file of the host, one in a root, where an empty path means the newest in its /boot, or one that is built. */
export type KernelSource =
  | { readonly type: "file"; readonly path: string }
  | { readonly type: "tree"; readonly tree: ResourceId; readonly top: string; readonly path: TreePath }
  | { readonly type: "built"; readonly kernel: ResourceId; readonly path: string };

/** How an initramfs comes with its kernel, as a tree for the system partition that firmware or a boot loader reads. */
export interface BootForm {
  /** `uki`: all in one EFI program. `entry`: kernel and initramfs side by side, with an entry for a boot loader. */
  readonly form: "uki" | "entry";
  readonly cmdline: string;
  /** Absolute path of systemd's EFI stub; of `uki` only. Empty: where distributions have that of the kernel's architecture. */
  readonly stub: string;
  /** What firmware that starts only what is signed trusts: absolute paths of the host. */
  readonly sign?: { readonly key: string; readonly certificate: string } | undefined;
  /** Updates of processors, which the kernel takes before all else. */
  readonly microcode?: readonly MicrocodeSource[] | undefined;
}

/** A folder of microcode files, or one of them: of the host, of a root, or of the commit. */
export type MicrocodeSource =
  | { readonly type: "host"; readonly path: string }
  | { readonly type: "tree"; readonly tree: ResourceId; readonly top: string; readonly path: TreePath }
  | { readonly type: "desired"; readonly file: DesiredFile };

/** A boot in a virtual machine that a generation has to pass before it becomes `current`. */
export interface BootCheck {
  /** What the guest prints on its serial console when it is well. */
  readonly expect: string;
  readonly timeout_s: number;
  /** undefined: what the unpacked image needs. */
  readonly memory_bytes: number | undefined;
  /** QEMU's name of a machine; undefined: its own choice. */
  readonly machine: string | undefined;
  /** Added to the kernel's command line. */
  readonly cmdline: string;
  /** Absolute path of the EFI firmware's code; undefined: where distributions have it. */
  readonly firmware?: string | undefined;
}

/** Kernel modules of an image: those of a kernel that is built, or of a root, whose newest release is taken. */
export interface PickedModules {
  readonly from:
    | { readonly type: "kernel"; readonly kernel: ResourceId; readonly path: string }
    | { readonly type: "tree"; readonly tree: ResourceId; readonly top: string };
  /** Their names, `*` standing for anything; what they depend on comes with them. undefined: all. */
  readonly only: readonly string[] | undefined;
}

/** Firmware files of an image, by patterns below a folder in a root or a volume. */
export interface PickedFirmware {
  /** Absolute: what the folder is resolved in as if chrooted there. */
  readonly top: string;
  readonly folder: TreePath;
  /** The root or the volume. */
  readonly place: ResourceId;
  readonly files: readonly string[];
}

/** Which generations are kept. */
export interface GenerationPolicy {
  /** How many, the current one among them. */
  readonly generations: number;
  /** None of them is older, but the current one; undefined: no matter how old. */
  readonly generationAge_s?: number | undefined;
  /** Names of generations that stay always. */
  readonly pinned?: readonly string[] | undefined;
}

export interface ArtifactResource extends ResourceBase<"artifact">, GenerationPolicy {
  readonly format: Format;
  /** Directory that holds the generations and the link `current`. */
  readonly path: string;
  /** File name inside a generation: `initramfs.cpio.gz`. */
  readonly file: string;
  readonly base: BaseLayer;
  readonly overlays: readonly OverlayTree[];
  /** A secret overlay that is one of these, or that is laid into its root: only its owner may read the image. */
  readonly secretOverlay?: string | undefined;
  /** Anchored patterns, as written. */
  readonly excludes: readonly string[];
  /** Those of them that were generated, by what they strip. */
  readonly strip?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Extra nodes that every image gets, such as /dev/console. */
  readonly nodes: readonly OverlayEntry[];
  /** Path of the program the kernel starts, checked to be there and executable: `/init`. Empty: not checked. */
  readonly init: string;
  readonly compression: ImageCompression;
  readonly sourceDate_s: number;
  readonly packPolicy: "onChange" | "onApprove";
  /** Variables of the target that end up in names; part of the inputs. */
  readonly target: string | undefined;
  readonly kernel?: KernelSource | undefined;
  /** What the image needs of that kernel, by symbol without CONFIG_; asked of one that is there where anything tells it. */
  readonly symbols?: Readonly<Record<string, string>> | undefined;
  readonly boot?: BootForm | undefined;
  readonly bootCheck?: BootCheck | undefined;
  readonly modules?: PickedModules | undefined;
  readonly firmware?: PickedFirmware | undefined;
  /** A generation takes no more, with all that comes with the image. */
  readonly maxSize_bytes?: number | undefined;
}

/** A kernel source that is only read: a directory of the host, or one in a volume. */
export interface DirectorySource {
  readonly type: "directory";
  readonly path: string;
}

/** A package of the distribution with a kernel's source in it, fetched and verified by apt. */
export interface PackageSource {
  readonly type: "package";
  readonly name: string;
  readonly version: string | undefined;
}

export type KernelTree = DirectorySource | PackageSource | TarballSource;

/** An architecture that kernels are built for, as the kernel's makefiles call it. */
export type KernelArchitecture = "x86_64" | "i386" | "arm64";

export interface KernelResource extends ResourceBase<"kernel">, GenerationPolicy {
  /** Directory of the generations and of the link `current`. */
  readonly path: string;
  readonly source: KernelTree;
  readonly patches: readonly DesiredFile[];
  /** The configuration and its fragments behind each other: a later line wins. */
  readonly config: DesiredFile;
  /** Symbols, without CONFIG_, that are added behind it. */
  readonly added: Readonly<Record<string, string>>;
  /** Symbols that must hold when Kconfig has answered. */
  readonly required: Readonly<Record<string, string>>;
  /** undefined: the host's own. */
  readonly architecture: KernelArchitecture | undefined;
  /** `aarch64-linux-gnu`; and what stands before the names of its tools, where that is another. */
  readonly triplet: string | undefined;
  readonly crossPrefix: string | undefined;
  /** The image whose current generation is embedded; `path` is its directory. With a secret one only its owner may read the kernel. */
  readonly initramfs?:
    | { readonly artifact: ResourceId; readonly path: string; readonly file: string; readonly secret: boolean }
    | undefined;
  /** A root whose programs make it; `path` is its top. undefined: the host's. */
  readonly buildIn?: { readonly tree: ResourceId; readonly path: string } | undefined;
  /** A kernel whose modules these are: made in its tree, with nothing in the place of the image that it will have in it. */
  readonly modulesOf?: string | undefined;
  /** Its modules are made, too, and kept with it. */
  readonly modules?: { readonly strip: boolean } | undefined;
  readonly bootCheck?: BootCheck | undefined;
  /** The kernel is no larger, with the image in it. */
  readonly maxSize_bytes?: number | undefined;
  /** The date that is built in. */
  readonly sourceDate_s: number;
  readonly jobs: number;
}

/** Where an image is published: a directory of the host, or one of another machine, which is reached by ssh. */
export type PublishPlace =
  | { readonly type: "directory"; readonly path: string }
  | {
      readonly type: "ssh";
      readonly host: string;
      readonly port: number;
      readonly user: string;
      readonly path: string;
      /** Absolute paths of the host: the private key, and the keys that the other machine may prove its name by. */
      readonly identityFile: string;
      readonly knownHosts: string;
    };

/** The current generation of an image or a kernel, put where others fetch it. */
export interface PublishResource extends ResourceBase<"publish"> {
  /** An image, or a kernel. */
  readonly artifact: ResourceId;
  /** Directory of its generations. */
  readonly images: string;
  /** Of a kernel: directory of the generations of the image that is in it. */
  readonly embedded?: string | undefined;
  readonly place: PublishPlace;
  /** How many versions are offered there. */
  readonly keep: number;
  /** The key that signs the list of versions: absolute path of the host. */
  readonly sign?: { readonly tool: "gpg" | "minisign"; readonly key: string } | undefined;
  /** Only a generation that passed its boot check is published. */
  readonly checked: boolean;
  /** A secret overlay is in it: only its owner may read it there. */
  readonly secret: boolean;
  /** One transfer takes no longer. */
  readonly timeout_s: number;
  /** A daemon looks at another machine no more often. */
  readonly recheck_s: number;
}

/** What the record holds of a resource: what we made, from which inputs, when. Never what is there now. */
export interface OwnedRecord {
  readonly id: ResourceId;
  readonly kind: ResourceKind;
  readonly name: string;
  readonly identity: string;
  /** Named input digests of the last apply; `reason` names the one that differs. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Kind-specific facts needed to observe and to remove (marker id, path, laid files, generation). */
  readonly details: { readonly [key: string]: Json };
  readonly protect: boolean;
  readonly onDelete: "retain" | "destroy";
  readonly dependsOn: readonly ResourceId[];
  readonly revision: string;
  readonly runId: string;
  /** ISO 8601, UTC. */
  readonly appliedAt: string;
}

/** Policy of the Host document, bounded by the limits file. */
export interface HostPolicy {
  readonly jobs: number;
  readonly memory_bytes: number;
  readonly maxDeletions: number;
  readonly driftPolicy: "correct" | "report";
  readonly generations: number;
  readonly runs: number;
  /** Nothing is fetched for a root. */
  readonly offline: boolean;
  readonly interval_s: number;
}

export interface DesiredGraph {
  readonly resources: readonly Resource[];
  readonly policy: HostPolicy;
}
