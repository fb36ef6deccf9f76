import type { VolumeResource } from "../../src/core/resource.ts";
import type { Limits } from "../../src/resources/types.ts";

/** A real backend on real storage, on which the behaviours of the conformance suite are shown. */
export interface Stage {
  /** As in the matrix: `loop-xfs`. */
  readonly name: string;
  /** Why it cannot be opened on this machine; undefined where it can. */
  missing(): string | undefined;
  /** What it cannot do and what happens then, by behaviour: the matrix shows it, and the behaviour is not run. */
  readonly cannot: Readonly<Record<string, string>>;
  open(): Promise<Storage>;
}

/** The opened storage; paths of volumes lie below `folder`. */
export interface Storage {
  readonly folder: string;
  readonly limits: Partial<Limits>;
  /** What the suite declares of a volume beside the common fields, with a size and label where the backend has them. */
  declare(name: string): Pick<VolumeResource, "identity" | "path" | "device"> & Partial<VolumeResource>;
  /** Bytes that a volume may be grown to. */
  readonly larger_bytes: number;
  /** Puts something of somebody else's, with a file `precious` in it, in the place of a volume's device, unmounted. */
  makeForeign(volume: VolumeResource): Promise<void>;
  /** Makes the device larger and not the filesystem in it, as an interrupted growth does. Absent where there is no such thing. */
  readonly extend?: (volume: VolumeResource, size_bytes: number) => void;
  /** True where nobody can look into what is not mounted. */
  readonly unseen?: boolean;
  /** Copies an unmounted volume's device by hand, markers and all, and returns a volume of the same name whose device is the copy. */
  copyByHand(volume: VolumeResource): Promise<VolumeResource>;
  /** Leaves an unmounted volume as a power loss would. Absent where there is no journal that a mount replays. */
  readonly soil?: (volume: VolumeResource) => Promise<void>;
  /** A digest of the device's own bytes, where it has such. */
  readonly bytes?: (volume: VolumeResource) => string;
  /** Names of what interrupted creations left. */
  leftovers(): readonly string[];
  close(): Promise<void>;
}
