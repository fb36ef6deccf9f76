import { toTreePath } from "../../core/entry.ts";
import { bytesContent } from "./content.ts";
import { makeParents, syncParent, syncPath } from "./file-context.ts";
import { type Change, type FlatTree, GitObjects } from "./git-objects.ts";
import type { Kernel } from "./kernel.ts";

export interface CommitOptions {
  readonly message?: string;
  readonly author?: string;
}

export interface RepositoryOptions {
  /** Top of the checkout, or the bare repository itself. */
  readonly top: string;
  readonly bare: boolean;
  readonly kernel: Kernel;
  readonly now_ms: () => number;
}

/** A git repository on the fake machine, in the hands of the people who commit. */
export class FakeRepository {
  readonly top: string;
  readonly bare: boolean;
  readonly objects = new GitObjects();
  readonly refs = new Map<string, string>();
  /** The ref that HEAD names, or a commit id when it is detached. */
  head = "refs/heads/main";
  readonly #kernel: Kernel;
  readonly #now_ms: () => number;

  constructor(options: RepositoryOptions) {
    this.top = options.top;
    this.bare = options.bare;
    this.#kernel = options.kernel;
    this.#now_ms = options.now_ms;
    for (const directory of [this.gitDirectory, `${this.gitDirectory}/objects`, `${this.gitDirectory}/refs/heads`]) {
      makeParents(this.#kernel, `${toTreePath(directory)}/x`);
    }
    this.#writeFile(`${this.gitDirectory}/HEAD`, `ref: ${this.head}\n`);
  }

  get gitDirectory(): string {
    return this.bare ? this.top : `${this.top}/.git`;
  }

  /**
   * Commits on top of HEAD: paths that are not named stay as they are, `null` removes. The worktree
   * gets the same changes. Returns the commit's id.
   */
  commit(changes: Readonly<Record<string, Change>>, options: CommitOptions = {}): string {
    const parent = this.resolve("HEAD");
    const flat = this.objects.flatten(parent);
    for (const [path, change] of Object.entries(changes)) {
      const entry = this.#entryOf(change);
      if (entry === undefined) flat.delete(toTreePath(path));
      else flat.set(toTreePath(path), entry);
    }
    if (!this.bare) this.edit(changes);
    return this.#advance(flat, parent === undefined ? [] : [parent], options);
  }

  /** A commit that replaces history: HEAD's ref then points to a root commit with these files only. */
  rewrite(changes: Readonly<Record<string, Change>>, options: CommitOptions = {}): string {
    const flat = new Map<string, { mode: string; oid: string }>();
    for (const [path, change] of Object.entries(changes)) {
      const entry = this.#entryOf(change);
      if (entry !== undefined) flat.set(toTreePath(path), entry);
    }
    return this.#advance(flat, [], { message: "rewritten", ...options });
  }

  /** Changes the worktree only: uncommitted edits. */
  edit(changes: Readonly<Record<string, Change>>): void {
    for (const [path, change] of Object.entries(changes)) {
      const place = toTreePath(`${this.top}/${path}`);
      if (this.#kernel.look(place) !== undefined) {
        this.#kernel.unlink(place);
        syncParent(this.#kernel, place);
      }
      if (change === null || (typeof change === "object" && "submodule" in change)) continue;
      makeParents(this.#kernel, place);
      if (typeof change === "object" && "link" in change) {
        this.#kernel.create(place, { type: "symlink", mode: 0o777, target: toTreePath(change.link) });
        syncPath(this.#kernel, place);
        continue;
      }
      const isPlain = typeof change === "string" || change instanceof Uint8Array;
      const mode = !isPlain && change.executable === true ? 0o755 : 0o644;
      this.#kernel.create(place, { type: "file", mode, content: bytesContent(isPlain ? change : change.content) });
      syncPath(this.#kernel, place);
    }
  }

  /** The commit a name leads to: HEAD, a branch, a full ref, or an id. */
  resolve(ref: string): string | undefined {
    if (ref === "HEAD") return this.refs.get(this.head) ?? this.objects.commits.get(this.head)?.oid;
    for (const name of [ref, `refs/${ref}`, `refs/heads/${ref}`, `refs/tags/${ref}`, `refs/remotes/${ref}`]) {
      const commit = this.refs.get(name);
      if (commit !== undefined) return commit;
    }
    return this.objects.commits.get(ref)?.oid;
  }

  setRef(ref: string, commit: string): void {
    this.refs.set(ref, commit);
    const place = `${this.gitDirectory}/${ref}`;
    makeParents(this.#kernel, toTreePath(place));
    this.#writeFile(place, `${commit}\n`);
  }

  #advance(flat: FlatTree, parents: readonly string[], options: CommitOptions): string {
    const commit = this.objects.writeCommit({
      tree: this.objects.writeTree(flat),
      parents,
      date_s: Math.floor(this.#now_ms() / 1000),
      subject: options.message ?? "change",
      author: options.author ?? "Ada Example <ada@example.org>",
    });
    if (this.head.startsWith("refs/")) this.setRef(this.head, commit);
    else this.head = commit;
    return commit;
  }

  #entryOf(change: Change): { mode: string; oid: string } | undefined {
    if (change === null) return undefined;
    if (typeof change === "string" || change instanceof Uint8Array) {
      return { mode: "100644", oid: this.objects.writeBlob(change) };
    }
    if ("link" in change) return { mode: "120000", oid: this.objects.writeBlob(change.link) };
    if ("submodule" in change) return { mode: "160000", oid: change.submodule };
    const mode = change.executable === true ? "100755" : "100644";
    return { mode, oid: this.objects.writeBlob(change.content) };
  }

  #writeFile(path: string, text: string): void {
    const inode = this.#kernel.open(toTreePath(path), 0o644, true);
    inode.fileSystem.setContent(inode, bytesContent(text));
    syncPath(this.#kernel, toTreePath(path));
  }
}
