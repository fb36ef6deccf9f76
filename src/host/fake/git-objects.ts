import { createHash } from "node:crypto";
import { type TreePath, toTreePath } from "../../core/entry.ts";
import type { GitTreeEntry } from "../ports.ts";

/** What a test writes into a commit: content, or `null` to remove the path. */
export type Change =
  | string
  | Uint8Array
  | null
  | { readonly content: string | Uint8Array; readonly executable?: boolean }
  | { readonly link: string }
  | { readonly submodule: string };

export interface Author {
  readonly name: string;
  readonly email: string;
}

interface TreeMember {
  readonly mode: string;
  /** One byte a character. */
  readonly name: string;
  readonly oid: string;
}

export interface GitCommit {
  readonly oid: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly date_s: number;
  readonly subject: string;
  readonly author: string;
}

/** Flat view of a commit: path to mode and blob. */
export type FlatTree = ReadonlyMap<TreePath, { readonly mode: string; readonly oid: string }>;

/** Objects of a repository in memory, under the ids that git itself would give them. */
export class GitObjects {
  readonly blobs = new Map<string, Uint8Array>();
  readonly commits = new Map<string, GitCommit>();
  readonly #trees = new Map<string, readonly TreeMember[]>();

  writeBlob(content: string | Uint8Array): string {
    const bytes = Buffer.from(content);
    const oid = objectId("blob", bytes);
    this.blobs.set(oid, Uint8Array.from(bytes));
    return oid;
  }

  /** Nested trees from a flat one; returns the id of the top. */
  writeTree(flat: FlatTree): string {
    const here: TreeMember[] = [];
    const below = new Map<string, Map<TreePath, { mode: string; oid: string }>>();
    for (const [path, entry] of flat) {
      const slash = path.indexOf("/");
      if (slash < 0) {
        here.push({ ...entry, name: path });
        continue;
      }
      const name = path.slice(0, slash);
      const members = below.get(name) ?? new Map();
      below.set(name, members.set(path.slice(slash + 1), entry));
    }
    for (const [name, members] of below) here.push({ mode: "40000", name, oid: this.writeTree(members) });
    // git compares a directory's name as if it ended in a slash.
    const key = (member: TreeMember): string => (member.mode === "40000" ? `${member.name}/` : member.name);
    here.sort((a, b) => (key(a) < key(b) ? -1 : 1));
    const parts = here.flatMap(({ mode, name, oid }) => [
      Buffer.from(`${mode} ${name}\0`, "latin1"),
      Buffer.from(oid, "hex"),
    ]);
    const oid = objectId("tree", Buffer.concat(parts));
    this.#trees.set(oid, here);
    return oid;
  }

  writeCommit(commit: Omit<GitCommit, "oid">): string {
    const lines = [
      `tree ${commit.tree}`,
      ...commit.parents.map((parent) => `parent ${parent}`),
      `author ${commit.author} ${commit.date_s} +0000`,
      `committer ${commit.author} ${commit.date_s} +0000`,
      "",
      `${commit.subject}\n`,
    ];
    const oid = objectId("commit", Buffer.from(lines.join("\n")));
    this.commits.set(oid, { ...commit, oid });
    return oid;
  }

  /** The tree at a path of a tree; undefined when there is none. */
  treeAt(tree: string, path: string): string | undefined {
    let oid = tree;
    for (const name of toTreePath(path)
      .split("/")
      .filter((part) => part !== "")) {
      const member = this.#trees.get(oid)?.find((other) => other.name === name);
      if (member?.mode !== "40000") return undefined;
      oid = member.oid;
    }
    return oid;
  }

  /** All but trees below a tree, in git's order; undefined when the tree is not known. */
  list(tree: string, prefix = ""): GitTreeEntry[] | undefined {
    return this.#trees.get(tree)?.flatMap(({ mode, name, oid }) => {
      const path = `${prefix}${name}`;
      if (mode === "40000") return this.list(oid, `${path}/`) ?? [];
      return [{ mode, oid, path }];
    });
  }

  flatten(commit: string | undefined): Map<TreePath, { mode: string; oid: string }> {
    const tree = commit === undefined ? undefined : this.commits.get(commit)?.tree;
    const entries = tree === undefined ? [] : (this.list(tree) ?? []);
    return new Map(entries.map(({ path, mode, oid }) => [path, { mode, oid }]));
  }

  isAncestor(ancestor: string, commit: string): boolean {
    const todo = [commit];
    for (let oid = todo.pop(); oid !== undefined; oid = todo.pop()) {
      if (oid === ancestor) return true;
      todo.push(...(this.commits.get(oid)?.parents ?? []));
    }
    return false;
  }

  /** Takes all objects of another repository. */
  receive(other: GitObjects): void {
    for (const [oid, bytes] of other.blobs) this.blobs.set(oid, bytes);
    for (const [oid, commit] of other.commits) this.commits.set(oid, commit);
    for (const [oid, members] of other.#trees) this.#trees.set(oid, members);
  }
}

export function objectId(type: string, content: Uint8Array): string {
  return createHash("sha1").update(`${type} ${content.length}\0`).update(content).digest("hex");
}
