import type { TreePath } from "../core/entry.ts";
import type { Problem } from "../documents/types.ts";

/** One file of `desired/` at one commit. Files of overlays carry a cached copy of their content. */
export interface SourceFile {
  /** Below `desired/`, one byte a character. */
  readonly path: TreePath;
  readonly type: "file" | "symlink";
  readonly executable: boolean;
  readonly oid: string;
  readonly size: number;
  /** Hex sha256 of the content; empty for a symlink, and for a text too large to read. */
  readonly sha256: string;
  /** Target bytes of a symlink. */
  readonly target: string;
  /** Absolute path of a cached copy of the content, 0600; empty for a symlink, and for what is read as text. */
  readonly content: string;
}

/** What a pass is bound to. */
export interface Snapshot {
  /** Commit id; empty with `--worktree`. */
  readonly revision: string;
  /** Hash of the tree of `desired/`: what a pass is keyed by. With `--worktree` a digest of the files. */
  readonly treeHash: string;
  readonly subject: string;
  readonly author: string;
  /** Path of `desired/` in the repository, for messages: `desired`. */
  readonly prefix: string;
  readonly files: readonly SourceFile[];
  /** Text of each YAML and kconfig file, by path. */
  readonly texts: ReadonlyMap<TreePath, string>;
  /** Submodules, LFS pointers, undecodable documents. */
  readonly problems: readonly Problem[];
  /** Why there may be a newer commit than this one: the fetch of a remote failed. */
  readonly stale?: string;
}

/** What a person should know of the load, and no pass acts on. */
export interface SourceStatus {
  /** Paths that differ from the commit and are NOT applied. */
  readonly uncommitted: readonly string[];
  /** A fetch that failed and kept the last commit, a status that could not be read. */
  readonly notes: readonly string[];
}

export interface LoadedSource {
  readonly snapshot: Snapshot;
  /** Lets git look through the work tree: nothing needs to wait for it but the telling. It never fails. */
  readonly status: () => Promise<SourceStatus>;
}

export interface SourceOptions {
  readonly desired: string;
  readonly repository: string | undefined;
  readonly ref: string;
  readonly path: string | undefined;
  readonly remote: { readonly url: string; readonly branch: string; readonly mirror: string } | undefined;
  readonly worktree: boolean;
  readonly cache: string;
}
