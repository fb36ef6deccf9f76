import type { Backend, VolumeResource } from "../../../core/resource.ts";
import type { Host, MountEntry } from "../../../host/ports.ts";
import type { SpaceLedger } from "../../space.ts";
import type { Places } from "../../types.ts";

/**
 * The contract of a backend: what keeps a volume's data, and nothing else. Owner, mode, links, policy, the marker at the
 * top, the host's limits, the mount point and what is mounted there are the kind's own, the same for all.
 *
 * Rules for every method: what is not surely ours is foreign, and is never changed. Commands go through
 * `host.processes`, those that mount or look at devices with `hostNamespace: true`. Nothing is remembered between calls.
 * Killed anywhere, the next `observe` says what is there, and the same call made again goes on or begins anew.
 */
export interface VolumeBackend {
  readonly name: Backend;
  /** True where the content is reached by a mount of a device of its own; else it stands at the volume's path by itself. */
  readonly mounts: boolean;
  /** True where a size is a mere quota, which may also be lowered. */
  readonly shrinks: boolean;
  /** True where a clone needs the snapshot that it was made of for as long as it is there. */
  readonly clonesHold: boolean;
  /** What of the host it takes, each of which the limits must allow. Pure. */
  places(volume: VolumeSubject): readonly Place[];

  // ------------------------------------------------------------ the device

  /** Reads what stands under the device's final name, and whose it is. Writes nothing, and mounts nothing that anybody sees. */
  observe(volume: VolumeSubject, looking: Looking): Promise<Device>;
  /** Why it cannot be made here, before anything is: a parent or a pool is missing, too small for the filesystem; undefined when it can. */
  obstacle(volume: VolumeResource, looking: Looking): Promise<Obstacle | undefined>;
  /**
   * Makes it under a temporary name that holds our instance and run (`temporary.ts`), makes the filesystem with its label,
   * marks it with its own identity, and renames it into place; never over anything. First removes what an interrupted
   * creation of this volume left. It is durable, and not mounted, when this returns.
   */
  create(volume: VolumeResource, working: Working): Promise<void>;
  /** Removes what interrupted creations and readings of this volume left under temporary names, by any run of this installation. */
  sweep(volume: VolumeSubject, working: Working): Promise<void>;
  /** Marks what stands there as ours, with its identity as it is now (`adopt`); its content stays. */
  mark(volume: VolumeResource, working: Working): Promise<void>;
  /**
   * To the declared size, with the filesystem in it; it is mounted where `mounts`, and mounted again when this returns.
   * Never asked to make it smaller unless `shrinks`. Killed in between, it is seen as too small.
   */
  resize(volume: VolumeResource, working: Working): Promise<void>;
  /** Gives the filesystem its declared label; mounted where `mounts`. */
  relabel(volume: VolumeResource, working: Working): Promise<void>;
  /** @throws RootloomError while something of somebody's hangs on it, which would go along. Asked before it is detached. */
  requireRemovable(volume: VolumeSubject, working: Working): Promise<void>;
  /** Removes it with its snapshots and its marker. The kind has made sure that it is ours, and detached. */
  destroy(volume: VolumeSubject, working: Working): Promise<void>;

  // ------------------------------------------------------------ its mount (only called where `mounts`)

  /** Makes the device ready and mounts it at `volume.path`, an empty directory at which nothing is mounted, with its options. */
  attach(volume: VolumeResource, working: Working): Promise<void>;
  /** Puts the declared options in force without unmounting. What the kernel does not change in place is seen again by the next pass. */
  remount(volume: VolumeResource, entry: MountEntry, working: Working): Promise<void>;
  /** Unmounts this entry, never lazily, refusing mounts inside, and lets the device go. */
  detach(volume: VolumeSubject, entry: MountEntry, working: Working): Promise<void>;

  // ------------------------------------------------------------ snapshots and clones

  /** What it can do here, which may depend on the filesystem below. */
  capabilities(volume: VolumeSubject, looking: Looking): Promise<Capabilities>;
  /** Those that we made of this volume, oldest first. A copy or one made by hand is not listed. */
  snapshots(volume: VolumeSubject, looking: Looking): Promise<readonly Snapshot[]>;
  /** Takes one under a name as `checkSnapshotName` allows. Found complete under that name, it is returned as it is. */
  snapshot(volume: VolumeSubject, name: string, working: Working): Promise<Snapshot>;
  /** Gone already is fine; one that is not listed, that is mounted, or that a clone needs, is refused. */
  removeSnapshot(volume: VolumeSubject, name: string, working: Working): Promise<void>;
  /** `create`, with the content of another volume's snapshot: marked as the target's own, in place, not mounted. */
  cloneFrom(origin: CloneOrigin, target: VolumeResource, working: Working): Promise<Means>;
  /**
   * Makes a snapshot readable, or the volume itself where `snapshot` is undefined, without any write, a replay of a
   * journal included. Prefers a snapshot of its own making to a live origin.
   */
  attachReadOnly(volume: VolumeSubject, snapshot: string | undefined, working: Working): Promise<Attachment>;
}

/** What names a volume to its backend. A record remembers as much, so that what is not declared any more can be looked at. */
export type VolumeSubject = Pick<VolumeResource, "name" | "backend" | "path" | "device">;

/** What looking needs. `ObserveContext` and `ApplyContext` are such contexts. */
export interface Looking extends Places {
  readonly host: Host;
  readonly signal: AbortSignal | undefined;
}

/** What changing needs. `ApplyContext` is such a context. */
export interface Working extends Looking {
  readonly runId: string;
  /** Who holds how much of which filesystem. */
  readonly space?: SpaceLedger | undefined;
}

export interface Place {
  readonly type: "path" | "pool" | "volumeGroup" | "device";
  readonly value: string;
}

export interface Obstacle {
  /** Completes "cannot create volume X: ...". */
  readonly why: string;
  readonly hint: string;
  /** True where the making of a resource that it depends on may take it out of the way. */
  readonly passing: boolean;
}

/** What a clone is made of. Its own notes do not come along. */
export interface CloneOrigin {
  readonly volume: VolumeSubject;
  readonly snapshot: string;
  /** Left in the clone as `.rootloom/clone.json`, before the clone has its name; nothing where empty. */
  readonly note: string;
}

/** What stands under a device's name: plain data, part of a step's digest, so nothing that changes by itself. */
export interface Device {
  /** Temporary names of interrupted creations are not looked at: they are never taken for a volume. */
  readonly state: "absent" | "ours" | "foreign";
  /** Completes "PLACE is ...", for a foreign one: `an image with an ext4 filesystem, not made by Rootloom`. */
  readonly what: string;
  /** What a person should know before adopting it, a line each: type, label, uuid, size, top entries where they can be read. */
  readonly about: readonly string[];
  /** Why it cannot be adopted; empty when it can. */
  readonly unadoptable: string;
  /** Stable identity: inode and filesystem, LV uuid, guid, subvolume uuid; empty when absent. */
  readonly identity: string;
  /** As `mount --types` takes it; empty where the backend has none of its own. */
  readonly filesystem: string;
  readonly label: string;
  /** Usable size: the lesser of device and filesystem, or a quota; undefined where there is no limit. */
  readonly size_bytes: number | undefined;
  /** Sizes are multiples of this, 1 where any is possible: a declared size was rounded up to one. */
  readonly granularity_bytes: number;
  /** Names under which mountinfo has the device as source, empty while it has none. */
  readonly sources: readonly string[];
}

/** How a snapshot or clone is made; said in reports. */
export type Means =
  | "btrfs snapshot"
  | "zfs snapshot"
  | "zfs clone"
  | "lvm thin snapshot"
  | "lvm snapshot"
  | "reflink copy"
  | "copy";

export interface Capabilities {
  /** undefined where the backend has no snapshots here. */
  readonly snapshots: Means | undefined;
  readonly clones: Means | undefined;
  /** True where a snapshot is of one moment; else what was written meanwhile may be in it by half. */
  readonly atomic: boolean;
  readonly grows: boolean;
  /** What is missing and why, for people: `its filesystem (ext4) shares no blocks: snapshots are full copies`; empty when nothing is. */
  readonly note: string;
}

export interface Snapshot {
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** Of the snapshot itself: subvolume uuid, guid, LV uuid, inode. */
  readonly identity: string;
}

export interface Attachment {
  /** Top of the readable content, as the volume's path would be; in the mount namespace of this process. */
  readonly path: string;
  /** For reports: `read from btrfs snapshot before-upgrade`. */
  readonly means: string;
  /** False where what is read may change meanwhile. */
  readonly frozen: boolean;
  detach(): Promise<void>;
}

export const NO_DEVICE: Device = {
  state: "absent",
  what: "",
  about: [],
  unadoptable: "",
  identity: "",
  filesystem: "",
  label: "",
  size_bytes: undefined,
  granularity_bytes: 1,
  sources: [],
};
