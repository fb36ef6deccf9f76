import type { EntryType, TreePath } from "../core/entry.ts";
import type { JobMap } from "./jobs.ts";

/**
 * The six ports: all that Rootloom knows of the world outside. `real/` talks to the machine,
 * `fake/` is a whole machine in memory for the seeded simulation. Nothing else imports node:fs,
 * node:child_process, execa or a clock.
 *
 * The file port is synchronous: each call is short. Long work (walking, hashing, packing) goes through
 * `jobs`, which the real side runs in a worker thread and the fake side runs in place.
 */
export interface Host {
  readonly processes: Processes;
  readonly files: Files;
  readonly clock: Clock;
  readonly git: Git;
  readonly stores: Stores;
  readonly events: Events;
  readonly jobs: Jobs;
}

// ---------------------------------------------------------------- processes

export interface Command {
  readonly file: string;
  readonly arguments: readonly string[];
  readonly directory?: string;
  /** The whole environment; nothing is inherited but PATH, HOME, LANG=C.UTF-8. NOTIFY_SOCKET never is. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Bytes for its standard input, asked for as it takes them. */
  readonly inputParts?: AsyncGenerator<Uint8Array>;
  /** Milliseconds; 60 000 unless told. 0: no limit. */
  readonly timeout_ms?: number;
  readonly signal?: AbortSignal | undefined;
  /** Runs in the mount namespace of `--mount-namespace` (mount, umount, findmnt). */
  readonly hostNamespace?: boolean;
  /** Runs in a fresh private mount namespace that ends with it. */
  readonly privateNamespace?: boolean;
  /** Exit codes that are an answer, not a failure; `[0]` unless told. */
  readonly accept?: readonly number[];
  /** Each line of output as it comes; standard output is then not kept. */
  readonly onLine?: (line: string) => void;
  /** Standard output as bytes, part by part, not kept; the next part is read when the last one was dealt with. */
  readonly onOutput?: (part: Uint8Array) => void | Promise<void>;
  /** Uses the caller's terminal (enter). */
  readonly interactive?: boolean;
}

export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Processes {
  /**
   * Runs a command to its end. It dies with us, its whole group is killed on timeout and on `signal`.
   * @throws RootloomError "cannot run X: exit 1: last line", details: a line that can be pasted and the last output lines.
   */
  run(command: Command): Promise<Finished>;
  /** The absolute path of a tool on PATH (sbin directories included), or undefined. */
  find(tool: string): string | undefined;
  /** Processes that use a path or the mount at it: pid and command, for messages. */
  users(path: string): readonly { readonly pid: number; readonly command: string }[];
  /** Numeric id of the effective user. */
  readonly userId: number;
  readonly pid: number;
}

// ---------------------------------------------------------------- files and mounts

export interface FileStat {
  readonly type: EntryType;
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  readonly size: number;
  readonly modified_s: number;
  readonly inode: number;
  /** When the inode was made, to tell it from a later one of the same number; empty where the filesystem does not say. */
  readonly born: string;
  readonly device: number;
  readonly links: number;
  readonly major: number;
  readonly minor: number;
  /** Opaque: changes whenever inode, size, mtime or ctime (in ns) does. */
  readonly stamp: string;
  /** ctime in milliseconds, to tell entries that are too young to be trusted. */
  readonly changed_ms: number;
}

export interface MountEntry {
  readonly id: number;
  readonly parent: number;
  /** major:minor of the filesystem. */
  readonly device: string;
  /** Path inside the filesystem that is mounted. */
  readonly root: string;
  readonly target: string;
  readonly options: readonly string[];
  readonly superOptions: readonly string[];
  /** `shared:1`, `master:2`, `propagate_from:3`, `unbindable`. */
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: string;
}

/** A directory held open; paths are resolved below it as if chrooted there, and never through a mount. */
export interface TreeHandle {
  stat(path: TreePath): FileStat | undefined;
  /** Where a path leads when every directory symlink in it is followed inside the tree; undefined when a parent is missing. Last component is not followed. */
  resolve(path: TreePath): TreePath | undefined;
  list(path: TreePath): readonly TreePath[];
  read(path: TreePath): Uint8Array;
  readLink(path: TreePath): string;
  sha256(path: TreePath): string;
  /** Writes beside, syncs, sets owner and mode, renames over a file or a link (never over a directory), syncs the directory. */
  writeFile(
    path: TreePath,
    content: { readonly file: string } | { readonly bytes: Uint8Array },
    attributes: Attributes,
  ): void;
  writeLink(path: TreePath, target: string, attributes: Attributes): void;
  makeNode(
    path: TreePath,
    node: { readonly type: EntryType; readonly major: number; readonly minor: number },
    attributes: Attributes,
  ): void;
  makeDirectory(path: TreePath, attributes: Attributes): void;
  setAttributes(path: TreePath, attributes: Attributes): void;
  /** Removes a file, link or node. Refuses directories and mount points. */
  removeFile(path: TreePath): void;
  /** rmdir: fails on anything that is not empty. */
  removeDirectory(path: TreePath): void;
  close(): void;
}

export interface Attributes {
  readonly owner: number;
  readonly group: number;
  /** Ignored for symlinks. */
  readonly mode: number;
  readonly modified_s?: number;
}

/** A node as `scan` sees it. Directories come before their contents; order is by bytes of the path within each directory. */
export interface ScannedEntry extends FileStat {
  readonly path: TreePath;
  readonly target: string;
  /** True where another mount begins: it is reported and never entered. */
  readonly mountPoint: boolean;
  /** Names of extended attributes, sorted; of files `name=DIGEST` of the value with `values`; none unless asked for. */
  readonly extendedAttributes: readonly string[];
}

export interface ScanOptions {
  /** Called for each directory: false leaves its contents out (the directory itself is still reported). */
  readonly enter?: (path: TreePath) => boolean;
  readonly attributes?: boolean | "values";
}

/** One view of a tree, of several that one walk has. */
export interface LookOptions {
  /** As in `ScanOptions`. */
  readonly enter?: (path: TreePath) => boolean;
  /** What is left out is neither seen nor entered. */
  readonly leaveOut?: (path: TreePath) => boolean;
  /** False where `leaveOut` leaves out nothing that stands in the directory itself. */
  readonly mayLeaveOut?: (directory: TreePath) => boolean;
}

/**
 * What one walk of a tree saw, or one share of a walk that several go on together. While nothing of all shares differs,
 * neither does anything that `scan` can tell of the tree.
 */
export interface Glance {
  /** What stands near the top, with the top itself; its path is empty. The same in every share. */
  readonly upper: GlancePart;
  /** The parts below that this share took. */
  readonly parts: readonly GlancePart[];
  /** How many parts all shares have together. */
  readonly expected: number;
}

/** A directory with all that is in it and in no other part. */
export interface GlancePart {
  readonly path: TreePath;
  /** Of paths, stamps and where mounts begin. */
  readonly digest: string;
  /** The latest ctime in it, in milliseconds. */
  readonly changed_ms: number;
}

export interface Writer {
  write(bytes: Uint8Array): void;
  /** As `write`, on another thread: until then the bytes stay as they are, and nothing else is written, nor is it closed. */
  writeLater(bytes: Uint8Array): Promise<void>;
  /** fsync of the content. */
  sync(): void;
  /** fsync on another thread of what was written so far. */
  syncLater(): Promise<void>;
  /** Begins an empty file with the first bytes of another: shared with it where the filesystem can, else copied. */
  startWith(path: string, length_bytes: number): "reflink" | "copy";
  close(): void;
  readonly bytes: number;
}

export interface Reader {
  /** Fills `into` from `position`; returns how many bytes, 0 at the end. */
  read(into: Uint8Array, position: number): number;
  stat(): FileStat;
  close(): void;
}

/** Host paths are absolute UTF-8 strings. Every write is complete or absent: see each method. */
export interface Files {
  /** lstat; undefined when there is nothing (ENOENT, ENOTDIR). */
  stat(path: string): FileStat | undefined;
  /** Names in a directory, sorted; undefined when there is none. */
  list(path: string): readonly string[] | undefined;
  readText(path: string): string | undefined;
  readBytes(path: string): Uint8Array | undefined;
  readLink(path: string): string | undefined;
  /** The path with every symlink followed; undefined when it does not exist. */
  realPath(path: string): string | undefined;
  /** Beside, fsync, rename, fsync of the directory. */
  writeFile(path: string, content: string | Uint8Array, attributes: Attributes): void;
  /** Makes a link beside and renames it over an existing LINK; anything else in its place is an error. Never nests. */
  writeLink(path: string, target: string): void;
  /** One directory with exact attributes; parents must exist. Fails when anything stands there. */
  makeDirectory(path: string, attributes: Attributes): void;
  /** Parents too, 0755 (or `mode`) and ours; existing ones are left as they are. */
  makeDirectories(path: string, mode?: number): void;
  setAttributes(path: string, attributes: Attributes): void;
  /**
   * rename(2), then fsync of both directories; `unsynced` leaves that out, for what may be lost. Refuses to replace a
   * directory; never follows a link at either end.
   */
  rename(from: string, to: string, how?: "synced" | "unsynced"): void;
  removeFile(path: string): void;
  removeDirectory(path: string): void;
  /**
   * Removes a whole tree, never across a mount: device and mount id are checked at each level and the
   * top must still have `inode`. Refuses, with nothing removed, when a mount lies inside. With `keep`, the top stays, and
   * what it holds of that name.
   */
  removeTree(path: string, inode: number, keep?: TreePath): void;
  syncDirectory(path: string): void;
  /** syncfs of the filesystem that holds the path. */
  syncFilesystem(path: string): void;
  openWriter(path: string, mode: number): Writer;
  openReader(path: string): Reader | undefined;
  openTree(path: string): TreeHandle;
  /** Reads a file of a tree for packing. */
  openTreeReader(treePath: string, path: TreePath): Reader | undefined;
  scan(treePath: string, options?: ScanOptions): Iterable<ScannedEntry>;
  /**
   * Walks a tree once as `scan` does, only to tell whether it is the same as before; one glance a view. With a `turn`, one
   * number in memory that others share who walk the same tree with the same views, it takes what they do not.
   */
  look(treePath: string, views: readonly LookOptions[], turn?: Int32Array): readonly Glance[];
  /**
   * What the filesystem says of the state of a tree: while that is the same, nothing in the tree has changed. All that was written
   * before is in it, for the filesystem is synced first. Undefined where there is no such number, where something is mounted in the
   * tree or another subvolume lies in it, and where to ask takes longer than a walk.
   */
  generation(treePath: string): string | undefined;
  /** mountinfo of the namespace of `--mount-namespace`, in its order. */
  mounts(): readonly MountEntry[];
  /** The mounts of every namespace that a process is in, one namespace after the other. */
  mountsEverywhere(): readonly MountEntry[];
  /** A stable name of the filesystem that holds a path: its uuid, else `device:MAJOR:MINOR`. */
  filesystemIdentity(path: string): string;
  freeSpace_bytes(path: string): number;
  /** Reflink where the filesystem can, else a copy; the target must not exist. Returns which it was. */
  copyFile(from: string, to: string): "reflink" | "copy";
}

// ---------------------------------------------------------------- clock and randomness

export interface Clock {
  now_ms(): number;
  /** Monotonic. */
  elapsed_ms(): number;
  sleep(duration_ms: number, signal?: AbortSignal): Promise<void>;
  /** Lower-case hex of `bytes` random bytes. */
  random(bytes: number): string;
}

// ---------------------------------------------------------------- git objects

export interface GitLocation {
  /** A checkout's or bare repository's own directory. */
  readonly repository: string;
  readonly ref: string;
  /** Path of `desired/` inside the repository, no slashes at the ends; may be empty. */
  readonly path: string;
}

export interface GitTreeEntry {
  /** 100644, 100755, 120000 (symlink), 160000 (submodule), 040000. */
  readonly mode: string;
  readonly oid: string;
  /** Relative to the listed path, one byte a character. */
  readonly path: TreePath;
}

/** Hears the contents of blobs, in the order in which they were asked for; the next one comes when the last was dealt with. */
export interface BlobTaker {
  /** Asked before a content is read; false: it is passed over, and taken as no bytes at all. */
  readonly wants?: (oid: string, size_bytes: number) => boolean;
  readonly take: (oid: string, content: Uint8Array) => void | Promise<void>;
}

export interface Git {
  /** Top directory and whether it is bare; undefined where there is no repository. */
  discover(
    directory: string,
  ): Promise<
    | { readonly repository: string; readonly bare: boolean; readonly top: string; readonly gitDirectory: string }
    | undefined
  >;
  /** Commit and the hash of the tree at `path`; undefined commit: the ref does not exist (an empty repository). */
  resolve(location: GitLocation): Promise<
    | {
        readonly commit: string;
        readonly treeHash: string | undefined;
        readonly date_s: number;
        readonly subject: string;
        readonly author: string;
      }
    | undefined
  >;
  listTree(repository: string, treeHash: string): Promise<readonly GitTreeEntry[]>;
  /** Contents of blobs by oid, each asked for once. */
  readBlobs(repository: string, oids: readonly string[], taker: BlobTaker): Promise<void>;
  /** Paths below `location.path` that differ from the ref, staged, unstaged and untracked, sorted; from the top, as people read them. */
  uncommitted(location: GitLocation): Promise<readonly string[]>;
  /** Files of a checkout below a directory, tracked or not, ignored ones left out; relative to it, sorted. For `--worktree`. */
  worktreeFiles(directory: string): Promise<readonly TreePath[]>;
  /** Keeps a bare mirror; fast-forward only. Throws a transient RootloomError when the fetch fails, a terminal one when history was rewritten. */
  fetch(mirror: string, url: string, branch: string): Promise<void>;
}

// ---------------------------------------------------------------- store transactions

export type SqlValue = string | bigint | null;

/** SQL with text and bigint columns only, plain enough for SQLite and PostgreSQL. */
export interface Database {
  /** `?` placeholders. */
  run(sql: string, ...values: readonly SqlValue[]): void;
  all(sql: string, ...values: readonly SqlValue[]): readonly Readonly<Record<string, SqlValue>>[];
  /** Durable when it returns; lost whole when it throws. Not nested. */
  transaction<T>(body: () => T): T;
  close(): void;
}

export interface Stores {
  /**
   * Opens the database file. `read` opens without leaving a trace on disk (a private copy where a hot
   * journal stands) and returns undefined when there is none.
   * @throws RootloomError with condition "StoreCorrupt" when the file is no intact database.
   */
  open(path: string, mode: "read" | "write"): Database | undefined;
  /** A kernel lock, gone with its process: undefined when another holds it. Several may hold a shared one. */
  lock(path: string, shared?: boolean): Promise<{ release(): void } | undefined>;
  /** Process ids that hold the lock, from /proc/locks. */
  holders(path: string): readonly { readonly pid: number; readonly command: string }[];
}

// ---------------------------------------------------------------- events

export interface SocketConnection {
  send(message: object): void;
  onMessage(handler: (message: unknown) => void): void;
  onClose(handler: () => void): void;
  close(): void;
}

export interface Events {
  /**
   * A hint that something at or below one of the paths changed, as far as it is known what, or that watching is degraded.
   * Missing paths are fine.
   */
  watch(
    paths: readonly string[],
    onHint: (hint: { readonly path: string; readonly degraded?: string }) => void,
  ): Promise<{ close(): Promise<void> }>;
  onSignal(signal: "SIGTERM" | "SIGINT" | "SIGHUP", handler: () => void): () => void;
  /** JSON lines on a unix socket, mode 0600. */
  listen(path: string, onConnection: (connection: SocketConnection) => void): Promise<{ close(): Promise<void> }>;
  /** undefined when nobody answers. */
  connect(path: string): Promise<SocketConnection | undefined>;
  /** systemd's notify protocol; nothing happens where NOTIFY_SOCKET is not set. */
  notify(state: string): Promise<void>;
  /** Microseconds of WATCHDOG_USEC where it is meant for us. */
  readonly watchdog_us: number | undefined;
}

// ---------------------------------------------------------------- jobs

export interface JobContext {
  readonly files: Files;
  /** Bytes done of bytes known; total 0 when it is not known. */
  readonly progress: (done_bytes: number, total_bytes: number) => void;
  readonly cancelled: () => boolean;
  readonly now_ms: () => number;
}

export interface Jobs {
  /** How many run at once. */
  readonly width: number;
  /** Begins to make ready what looks at trees will need, or all jobs, beside what the caller goes on with. */
  prepare(jobs: "looks" | "all"): void;
  /** Runs one job to its end; `signal` ends it at once (temporary files stay for the next start's sweep). */
  run<K extends keyof JobMap>(
    job: K,
    input: JobMap[K]["input"],
    options?: {
      readonly signal?: AbortSignal | undefined;
      readonly onProgress?: (done_bytes: number, total_bytes: number) => void;
    },
  ): Promise<JobMap[K]["output"]>;
}
