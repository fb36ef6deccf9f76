import { createHash } from "node:crypto";
import type { TreePath } from "../../core/entry.ts";
import { RootloomError } from "../../core/error.ts";
import type { GitTreeEntry } from "../ports.ts";
import type { ReadObjects } from "./git-objects.ts";

/** Far more than anybody keeps in git: a crafted tree can name itself thousandfold in a few bytes. */
const ENTRIES_MAX = 1_000_000;
/** No path that a system can open is as deep. */
const DEPTH_MAX = 2_048;
const KEPT_BYTES_MAX = 8 * 1024 * 1024;

/** Trees by their ids, as git keeps them. An id names its content, so that none is ever out of date. */
export class Trees {
  readonly #readObjects: ReadObjects;
  /** The ones used last, at the end. */
  readonly #kept = new Map<string, Buffer>();
  #kept_bytes = 0;

  constructor(readObjects: ReadObjects) {
    this.#readObjects = readObjects;
  }

  /** All but directories below a tree, in git's order. Of what was listed before, only the trees that are new are read. */
  async list(repository: string, treeHash: string): Promise<readonly GitTreeEntry[]> {
    const members = new Map<string, readonly Member[]>();
    let depth = 0;
    for (let level = new Set([treeHash]); level.size > 0; ) {
      if (++depth > DEPTH_MAX) throw tooMuch(repository, treeHash, `it is deeper than ${DEPTH_MAX} directories`);
      const next = new Set<string>();
      for (const [oid, content] of await this.#read(repository, [...level])) {
        const found = parseTree(repository, oid, content);
        members.set(oid, found);
        for (const member of found) if (member.mode === "040000" && !members.has(member.oid)) next.add(member.oid);
      }
      level = next;
    }
    const entries: GitTreeEntry[] = [];
    let left = ENTRIES_MAX;
    const walk = (oid: string, prefix: TreePath): void => {
      for (const { mode, name, oid: below } of members.get(oid) ?? []) {
        if (left-- <= 0) throw tooMuch(repository, treeHash, `it holds more than ${ENTRIES_MAX} paths`);
        if (mode === "040000") walk(below, `${prefix}${name}/`);
        else entries.push({ mode, oid: below, path: `${prefix}${name}` });
      }
    };
    walk(treeHash, "");
    return entries;
  }

  /** Keeps a tree that was read for another reason. */
  keep(oid: string, content: Buffer): void {
    this.#kept_bytes += content.length - (this.#kept.get(oid)?.length ?? 0);
    this.#kept.delete(oid);
    this.#kept.set(oid, content);
    for (const [oldest, { length }] of this.#kept) {
      if (this.#kept_bytes <= KEPT_BYTES_MAX) return;
      this.#kept.delete(oldest);
      this.#kept_bytes -= length;
    }
  }

  async #read(repository: string, oids: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
    const trees = new Map<string, Buffer>();
    for (const oid of oids) {
      const known = this.#kept.get(oid);
      if (known !== undefined) trees.set(oid, known);
    }
    const unknown = oids.filter((oid) => !trees.has(oid));
    await this.#readObjects(repository, unknown, {
      take: (index, object) => {
        const oid = unknown[index] ?? "";
        if (object?.type !== "tree") throw unreadable(repository, oid, "the repository does not hold it");
        trees.set(oid, object.content);
      },
    });
    for (const [oid, content] of trees) this.keep(oid, content);
    return trees;
  }
}

interface Member {
  readonly mode: string;
  /** One byte a character. */
  readonly name: string;
  readonly oid: string;
}

/** A tree as git keeps it: mode in octal, space, name, NUL, the id's bytes; over and over. */
function parseTree(repository: string, treeHash: string, content: Buffer): readonly Member[] {
  const oidLength = treeHash.length / 2;
  const algorithm = treeHash.length === 64 ? "sha256" : "sha1";
  const digest = createHash(algorithm).update(`tree ${content.length}\0`).update(content).digest("hex");
  if (digest !== treeHash) throw unreadable(repository, treeHash, "its content does not have that hash");
  const members: Member[] = [];
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const nul = content.indexOf(0, space);
    const end = nul + 1 + oidLength;
    const octal = space < 0 ? "" : content.toString("latin1", at, space);
    if (!/^[0-7]+$/.test(octal) || nul < 0 || end > content.length)
      throw unreadable(repository, treeHash, "it is damaged");
    const name = content.toString("latin1", space + 1, nul);
    members.push({ mode: plainMode(Number.parseInt(octal, 8)), name, oid: content.toString("hex", nul + 1, end) });
    at = end;
  }
  return members;
}

/** The mode that git means: of old or crafted trees other bits may be set. */
function plainMode(mode: number): string {
  const type = mode & 0o170000;
  if (type === 0o100000) return (mode & 0o100) === 0 ? "100644" : "100755";
  if (type === 0o120000) return "120000";
  return type === 0o040000 ? "040000" : "160000";
}

function unreadable(repository: string, oid: string, why: string): RootloomError {
  return new RootloomError(`cannot read tree ${oid} from ${repository}: ${why}`, {
    hint: `a partial clone or a damaged one: git -C ${repository} fsck, or make a full clone`,
  });
}

function tooMuch(repository: string, treeHash: string, why: string): RootloomError {
  return new RootloomError(`cannot list tree ${treeHash} of ${repository}: ${why}`, {
    hint: "the tree was not made by git add: commit it again from a checkout",
  });
}
