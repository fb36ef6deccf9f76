import type { Entry, TreePath } from "../core/entry.ts";
import type { Compression, OverlayEntry } from "../core/resource.ts";
import type { Collected, CollectInput } from "../pack/collect.ts";
import type { Seen, SeenShare } from "../pack/remembered.ts";
import type { RemoveInput } from "../pack/remove.ts";
import type { KeptOriginal, PackEntry } from "../pack/types.ts";
import type { JobContext } from "./ports.ts";

/** What a tree is read from in its own place: it holds what the tree held at one moment, and carries the same inodes and times. */
export interface TreeSnapshot {
  /** Absolute path of the tree's top in it. */
  readonly path: string;
  /** Time before it was taken. */
  readonly moment_ms: number;
  /** Where something is mounted in the tree itself, which it does not show. */
  readonly mounted: readonly TreePath[];
}

/** A layer as the packer reads it. Paths are absolute; all of it crosses a thread boundary as plain data. */
export type LayerSource =
  | {
      readonly type: "tree";
      readonly name: string;
      readonly path: string;
      /** Names the volume in the hash cache. */
      readonly identity: string;
      /** Entry times become the lesser of their own and this; undefined keeps their own. */
      readonly sourceDate_s: number | undefined;
      readonly snapshot?: TreeSnapshot | undefined;
    }
  | {
      readonly type: "tarball";
      readonly name: string;
      /** The tarball as it was given (any compression); it is decompressed into the cache once, keyed by sha256. */
      readonly path: string;
      readonly sha256: string;
      readonly sourceDate_s: number;
      /** It unpacks to no more. */
      readonly maxSize_bytes?: number | undefined;
    }
  | {
      readonly type: "overlay";
      readonly name: string;
      /** Owners resolved to numbers, sorted by path. */
      readonly entries: readonly (OverlayEntry & { readonly owner: number; readonly group: number })[];
      readonly deletions: readonly TreePath[];
      readonly sourceDate_s: number;
      readonly digest: string;
    };

export interface LayerDigest {
  readonly name: string;
  readonly digest: string;
  readonly entries: number;
  readonly size_bytes: number;
}

export interface PackInput {
  readonly layers: readonly LayerSource[];
  /** Anchored patterns of what the LOWEST layer leaves out. */
  readonly excludes: readonly string[];
  readonly nodes: readonly (OverlayEntry & { readonly owner: number; readonly group: number })[];
  readonly init: string;
  readonly compression: Compression;
  readonly sourceDate_s: number;
  /** Directory of caches: hashes, segments, decompressed tarballs. */
  readonly cache: string;
  /** What `layers` just saw of the lowest layer: whoever remembers that needs no look of its own. */
  readonly seen?: Seen | undefined;
  /** An earlier image and its manifest, found whole in this pass: what both have in common is taken from them. */
  readonly previous?: { readonly image: string; readonly sha256: string; readonly manifest?: string } | undefined;
}

export interface ManifestDifference {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** The first of them, at most 20, as `+ path`, `- path`, `~ path (mode)`; readable by people. */
  readonly lines: readonly string[];
}

/** Long work, one entry a job. Functions stand in `src/pack` and run in a worker thread on the real side. */
export interface JobMap {
  /**
   * What one walk sees of a tree, by what is left out of it: one for each list of excludes, without reading any content.
   * Several with the same `turn` share the walk.
   */
  readonly look: {
    readonly input: {
      readonly path: string;
      readonly views: readonly (readonly string[])[];
      readonly turn?: Int32Array | undefined;
    };
    readonly output: readonly SeenShare[];
  };
  /** `Files.generation`, which may wait for the disk. */
  readonly generation: { readonly input: { readonly path: string }; readonly output: string | undefined };
  /** Digest of each layer as an image sees it (excludes applied, hashes from the cache), without packing. */
  readonly layers: {
    /** `looked`: a sight of the lowest layer, from this pass, with the image's own excludes. */
    readonly input: PackInput & { readonly looked?: Seen | undefined };
    /** `seen`: of a tree, the sight that its digest belongs to. */
    readonly output: readonly (LayerDigest & { readonly seen?: Seen | undefined })[];
  };
  /** Writes `image`, `manifest` and `report` into the directory, synced and verified; nothing else is touched. */
  readonly pack: {
    readonly input: PackInput & { readonly image: string; readonly manifest: string };
    readonly output: {
      readonly sha256: string;
      readonly size_bytes: number;
      readonly uncompressed_bytes: number;
      readonly entries: number;
      readonly segments: number;
      readonly segmentsReused: number;
      /** sha256 of the manifest file. */
      readonly manifestSha256: string;
      /** Losses and advice: file capabilities lost, RAM needed. Said in the report. */
      readonly notes: readonly string[];
      readonly layers: readonly LayerDigest[];
    };
  };
  /** Merges the layers as `pack` does and writes the manifest: what an image holds that another tool writes. */
  readonly layout: {
    readonly input: PackInput & { readonly manifest: string };
    readonly output: {
      /** Sorted by path, with where each content is read from. */
      readonly entries: readonly PackEntry[];
      readonly manifestSha256: string;
      readonly notes: readonly string[];
      readonly layers: readonly LayerDigest[];
    };
  };
  /** Compares the merged manifest of the layers with a manifest file of an earlier generation. */
  readonly difference: {
    readonly input: PackInput & { readonly manifest: string };
    readonly output: ManifestDifference;
  };
  /** Writes the manifest of a tree (all of it, nothing excluded), hashes from the cache. */
  readonly record: {
    readonly input: {
      readonly path: string;
      readonly identity: string;
      readonly cache: string;
      readonly manifest: string;
      readonly leaveOut: readonly TreePath[];
      /** What is recorded at a path instead of what stands there, or does not. */
      readonly originals?: readonly KeptOriginal[];
    };
    readonly output: { readonly digest: string; readonly entries: number; readonly size_bytes: number };
  };
  /** What differs between a tree and its recorded manifest. `paths` is capped at 1,000, `count` is not. */
  readonly drift: {
    readonly input: {
      /** A sight of the whole tree, from this pass. */
      readonly looked?: Seen | undefined;
      readonly path: string;
      readonly identity: string;
      readonly cache: string;
      readonly manifest: string;
      readonly leaveOut: readonly TreePath[];
    };
    readonly output: {
      readonly count: number;
      readonly paths: readonly {
        readonly path: TreePath;
        readonly change: "added" | "removed" | "changed";
        readonly what: string;
      }[];
    };
  };
  /** sha256 and size of a file, from the hash cache where its stamp is known and old enough. */
  readonly hash: {
    readonly input: {
      readonly path: string;
      readonly cache: string;
      readonly trustCache: boolean;
      /** The digest it was just written with, kept so that nobody reads it again. */
      readonly written?: string;
    };
    readonly output: { readonly sha256: string; readonly size_bytes: number } | undefined;
  };
  /** Reads an image back, member by member, and compares it with its manifest. */
  readonly verify: {
    readonly input: { readonly image: string; readonly manifest: string; readonly codec: Compression["codec"] };
    readonly output: { readonly entries: number; readonly problems: readonly string[] };
  };
  /** Puts a file together from parts, in their order: bytes, or whole files. What lies between them is zeros. */
  readonly assemble: {
    readonly input: {
      readonly path: string;
      readonly mode: number;
      readonly size_bytes: number;
      readonly parts: readonly { readonly offset: number; readonly content: Uint8Array | { readonly file: string } }[];
    };
    /** `parts`: the sha256 of each. */
    readonly output: { readonly sha256: string; readonly size_bytes: number; readonly parts: readonly string[] };
  };
  /** Removes a whole tree by the rules of `Files.removeTree`. */
  readonly remove: { readonly input: RemoveInput; readonly output: undefined };
  /** How much a directory holds, mounts inside left out. */
  readonly measure: {
    readonly input: { readonly path: string };
    readonly output: { readonly entries: number; readonly size_bytes: number };
  };
  /** Removes from the caches what was used longest ago, or only says what would go. */
  readonly collect: { readonly input: CollectInput; readonly output: readonly Collected[] };
  /** Lists an image's manifest for people. */
  readonly list: {
    readonly input: { readonly manifest: string };
    readonly output: { readonly entries: readonly Entry[] };
  };
}

/** The table that a worker thread loads; it fails to compile until every job has its function. */
export type JobTable = {
  readonly [K in keyof JobMap]: (input: JobMap[K]["input"], context: JobContext) => Promise<JobMap[K]["output"]>;
};
